"""Any network as plain torch.nn layers at their original paths: what is searched, cut, counted and distilled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.liveness import liveness
from studentsearch.graph.network import Network
from studentsearch.graph.trace import trace, trace_with_state
from studentsearch.student.build import build_with_weights
from studentsearch.student.slice import cut

_TOLERANCE = 1e-4  # float32, relative to the largest logit; kernels may differ between a function and its layer


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainNetwork:
    """A network as plain layers.

    Attributes:
        module: The layers, in evaluation mode.
        network: Their trace.
    """

    module: nn.Module
    network: Network


def plain_network(module: nn.Module, *input_shapes: tuple[int, ...], skip: Sequence[str] = ()) -> PlainNetwork:
    """The same function written with plain layers, without filters that nothing reads.

    Args:
        module: Any module that torch.fx can follow; it is not changed.
        input_shapes: `[C, H, W]` of one image, one shape an input.
        skip: Patterns of module paths that are left whole.

    Returns:
        Layers and trace.

    Raises:
        UnsupportedGraphError: The network cannot be followed, or the plain layers answer otherwise than it does.
    """
    traced = trace_with_state(module, *input_shapes, skip=skip)
    network = traced.network
    alive = liveness(network, (), np.ones(0, dtype=np.bool_))
    everything = cut(network, alive, traced.state)
    plain = build_with_weights(everything.spec, everything.tensors)
    is_whole = all(needed.all() for needed in alive.needed)
    _insist(module, plain, input_shapes)
    return PlainNetwork(module=plain, network=network if is_whole else trace(plain, *input_shapes, skip=skip))


@torch.no_grad()
def _insist(module: nn.Module, plain: nn.Module, input_shapes: tuple[tuple[int, ...], ...]) -> None:
    """Compare both on random images."""
    generator = torch.Generator().manual_seed(0)
    parameter = next(plain.parameters(), None)
    dtype, device = (torch.float32, None) if parameter is None else (parameter.dtype, parameter.device)
    images = [torch.randn(2, *shape, generator=generator).to(device, dtype) for shape in input_shapes]
    was_training = module.training
    expected, found = _tensors(module.eval()(*images)), _tensors(plain(*images))
    module.train(was_training)
    for one, other in zip(expected, found, strict=True):
        difference = ((one - other).abs().max() / one.abs().max().clamp_min(1e-30)).item()
        if not difference <= _TOLERANCE:
            raise UnsupportedGraphError(
                f"{type(module).__name__}: written as plain layers it answers otherwise (by {difference:.1e} of the "
                "largest logit); its forward depends on more than the image and its tensors (random numbers, what "
                "earlier calls left); take that out of evaluation"
            )


def _tensors(value: object) -> list[torch.Tensor]:
    """The tensors of a tensor, a tuple or a dictionary of these."""
    if isinstance(value, torch.Tensor):
        return [value]
    assert isinstance(value, (tuple, list, Mapping)), f"a {type(value).__name__} among the outputs"
    items = value.values() if isinstance(value, Mapping) else value
    return [tensor for item in items for tensor in _tensors(item)]
