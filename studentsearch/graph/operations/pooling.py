"""Pooling over windows of positions, as layers and as functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from studentsearch.graph.layer_classes import layer_class
from studentsearch.graph.network import Node
from studentsearch.graph.operations.constants import (
    NOT_FOLDED,
    ConstantInputs,
    OnConstants,
    given_back,
    has_one_source,
    takes_same,
)
from studentsearch.graph.operations.operation_record import (
    Family,
    LayerCall,
    LayerForm,
    OperationRecord,
    as_layer,
    ungated,
)
from studentsearch.graph.operations.propagation import positional

_F = "torch.nn.functional."
_WINDOW = ("kernel_size", "stride", "padding")
_PARAMETERS = {
    "max": (*_WINDOW, "dilation", "ceil_mode"),
    "avg": (*_WINDOW, "ceil_mode", "count_include_pad", "divisor_override"),
    "lp": ("norm_type", "kernel_size", "stride", "ceil_mode"),
    "adaptive_avg": ("output_size",),
    "adaptive_max": ("output_size",),
}
_PERMITTED_CALLS = frozenset({
    *("torch.avg_pool1d", "torch.adaptive_avg_pool1d", "torch.max_pool1d", "torch.max_pool2d", "torch.max_pool3d"),
    f"{_F}lp_pool3d",
})


def _averages_constants(node: Node) -> bool:
    """Whether an average gives back a constant: no zero of a padding is counted."""
    arguments = node.operation.arguments
    padding = arguments["padding"]
    is_padded = any(padding) if isinstance(padding, tuple) else bool(padding)
    return not arguments["ceil_mode"] and not (is_padded and arguments["count_include_pad"])


def _giving_back(condition: Callable[[Node], bool]) -> OnConstants:
    def value(inputs: ConstantInputs) -> Tensor | None:
        return given_back(inputs) if condition(inputs.node) else None

    return OnConstants(keeps=lambda node: has_one_source(node) and takes_same(node) and condition(node), value=value)


def _kind(name: str, n: int) -> str:
    """The layer of a function: `AdaptiveAvgPool2d` of `adaptive_avg`."""
    return "".join(part.capitalize() for part in name.split("_")).replace("Lp", "LP") + f"Pool{n}d"


def _layer_of_call(kind: str, names: tuple[str, ...], called: LayerCall) -> nn.Module:
    given = {name: called.arguments[name] for name in names if name in called.arguments}
    if given.get("stride") in ((), []):
        del given["stride"]
    layer = layer_class(kind)
    assert layer is not None
    return layer(**given)


def _layer(name: str, n: int) -> OperationRecord:
    on_constants = {"lp": NOT_FOLDED, "avg": _giving_back(_averages_constants)}
    return OperationRecord(
        name=_kind(name, n),
        family=Family.POOLING,
        propagate=positional,
        paper_cost=1,
        on_constants=on_constants.get(name, _giving_back(lambda _: True)),
        is_homogeneous=True,
    )


def _calls(name: str, n: int) -> tuple[OperationRecord, ...]:
    layer = partial(_layer_of_call, _kind(name, n), _PARAMETERS[name])
    form = LayerForm(parameters=("input", *_PARAMETERS[name]), layer=layer)
    functions = [f"{_F}{name}_pool{n}d", *([f"torch.{name}_pool{n}d"] if hasattr(torch, f"{name}_pool{n}d") else [])]
    return tuple(as_layer(function, form, is_permitted=function in _PERMITTED_CALLS) for function in functions)


RECORDS = (
    *(_layer(name, n) for name in _PARAMETERS for n in (1, 2, 3) if (name, n) != ("lp", 3)),
    *(record for name in _PARAMETERS for n in (1, 2, 3) for record in _calls(name, n)),
    *ungated(("LPPool3d",)),
)
