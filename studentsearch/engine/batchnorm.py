"""Batch normalization statistics that fit a network's weights, as after a cut."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from studentsearch.engine.modes import modes_restored
from studentsearch.engine.runtime import Runtime
from studentsearch.errors import UsageError


def recompute_batchnorm(model: nn.Module, inputs: Iterable[Tensor], runtime: Runtime) -> None:
    """Running statistics replaced by the plain average over the given batches.

    Only batch normalization is in training mode meanwhile, so dropout stays off; modes and momenta are as before
    afterwards. A network without running statistics is left alone.

    Args:
        model: Lies on the runtime's device; its running statistics are replaced in place.
        inputs: Batches `[B, C, H, W]` of training images; all weigh the same, so let them be of one size.
        runtime: Where and how precisely to compute.

    Raises:
        UsageError: If there are no batches.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    with modes_restored(model), torch.no_grad():
        model.eval()
        batches = iter(inputs)
        first = next(batches, None)
        if first is None:
            raise UsageError("no images to recompute batch normalization from: expected at least one batch")
        try:
            for layer in layers:
                layer.reset_running_stats()
                layer.momentum = None
                layer.train()
            for batch in (first, *batches):
                with runtime.autocast():
                    model(batch)
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
