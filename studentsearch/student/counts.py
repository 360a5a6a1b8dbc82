"""One network counted in every convention of the field, by independent counters."""

from __future__ import annotations

import copy

import torch
from thop import profile
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from studentsearch.graph.macs import full_macs, paper_macs
from studentsearch.graph.network import Network
from studentsearch.graph.operations.table import record_of
from studentsearch.records.counts import Counts
from studentsearch.student.blank import blank_images
from studentsearch.student.spec import StudentSpec

_COUNTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)

# torch before 2.15 runs attention on a CPU by an operation that its own counter has no formula for.
_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value)  # type: ignore[no-untyped-call]
    )
}


def count_everything(module: nn.Module, network: Network) -> Counts:
    """All conventions for one network of plain layers.

    Args:
        module: The network as `build` makes it, so that no functional call hides from thop.
        network: Its trace.

    Returns:
        The counts.
    """
    copied = copy.deepcopy(module).eval().requires_grad_(False)
    total, _ = profile(copied, tuple(blank_images(copied, network.input_shapes)), verbose=False)
    return Counts(
        macs=full_macs(network),
        paper=paper_macs(network),
        thop=round(total),
        flops=torch_flops(module, network.input_shapes),
        parameters=sum(parameter.numel() for parameter in module.parameters()),
    )


def is_counted_by_thop(spec: StudentSpec) -> bool:
    """Whether thop has a rule for everything in a network that costs multiply-accumulates, and the right one."""
    records = (record_of(step.operation) for step in spec.steps)
    return all(record is None or record.is_counted_by_thop for record in records)


def torch_flops(module: nn.Module, input_shapes: tuple[tuple[int, ...], ...]) -> int:
    """What torch's FlopCounterMode reports for one image: 2 per multiply-accumulate.

    Args:
        module: Any network.
        input_shapes: `[C, H, W]` of one image, one shape an input.

    Returns:
        An exact integer.
    """
    # without gradients: FlopCounterMode follows tensors that want one and trips over a bias that stands alone
    copied = copy.deepcopy(module).cpu().eval().requires_grad_(False)
    is_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its one kernel is not counted
    try:
        with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=_ATTENTION) as counter:
            copied(*blank_images(copied, input_shapes))
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)
    return int(counter.get_total_flops())


def thop_macs(module: nn.Module, *input_shapes: tuple[int, ...]) -> int:
    """Multiply-accumulates as thop counts them with BatchNorm, activations and pooling at zero.

    Args:
        module: A network of plain layers; a copy of it is profiled, since thop leaves buffers behind.
        input_shapes: `[C, H, W]` of one image, one shape an input.

    Returns:
        An exact integer.
    """
    copied = copy.deepcopy(module).eval()
    counted_otherwise = (*_COUNTED, nn.Module)
    nothing = {
        type(layer): _count_nothing
        for layer in copied.modules()
        if type(layer) not in counted_otherwise and not isinstance(layer, fx.GraphModule)
    }
    total: float = profile(copied, tuple(blank_images(copied, input_shapes)), custom_ops=nothing, verbose=False)[0]
    return round(total)


def _count_nothing(*_: object) -> None:
    """A thop rule that leaves its layer at zero."""
