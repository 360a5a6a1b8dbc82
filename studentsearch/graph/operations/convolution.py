"""Convolutions and linear layers: readers, which mix their input channels, and convolutions of several groups."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.dependencies import all_of, same, taking
from studentsearch.graph.layer_classes import make_layer
from studentsearch.graph.network import Argument, Node, Operation
from studentsearch.graph.operations.constants import ConstantInputs, OnConstants
from studentsearch.graph.operations.operation_record import (
    Family,
    LayerCall,
    LayerForm,
    LayerWords,
    OperationRecord,
    as_layer,
)
from studentsearch.graph.operations.propagation import Applied, Propagation
from studentsearch.graph.operations.shrinking import Left, Shrinking, WeightAxes, with_sizes

_ROLES = frozenset({"weight", "bias"})
_PARAMETERS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED_PARAMETERS = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")


def convolution(applied: Applied) -> Propagation:
    """A reader, or one of several groups that each live or die whole."""
    (source,) = applied.sources
    operation, num_outputs, groups = applied.operation, applied.shape[0], num_groups(applied.operation)
    if source.axis != 0 or source.num_channels != operation.integer("in_channels"):
        return _reading_positions(applied, axis=0)
    if groups == 1:
        return Propagation(axis=0, dependencies=(same(source.num_channels),))
    inputs, outputs = source.num_channels // groups, num_outputs // groups
    group = np.arange(num_outputs) // outputs
    sources = group[:, np.newaxis] * inputs + np.arange(inputs)
    coupled = None if outputs == 1 else group
    return Propagation(axis=0, dependencies=(taking(sources, source.num_channels),), coupled=coupled)


def linear(applied: Applied) -> Propagation:
    """A reader of the last axis."""
    (source,) = applied.sources
    axis = len(applied.shape) - 1
    if source.axis != len(source.shape) - 1:
        return _reading_positions(applied, axis=axis)
    return Propagation(axis=axis, dependencies=(same(source.num_channels),))


def num_groups(operation: Operation) -> int:
    """Groups of a convolution; 1 for any other layer."""
    return operation.integer("groups") if "groups" in operation.arguments else 1


def _reading_positions(applied: Applied, axis: int) -> Propagation:
    (source,) = applied.sources
    num_channels = applied.shape[axis]
    return Propagation(
        axis=axis,
        dependencies=(all_of(source.num_channels, num_channels),),
        coupled=np.zeros(num_channels, dtype=np.int64),
        keeps_all="reads another axis than channels",
    )


def _convolution_macs(applied: Applied, propagation: Propagation) -> int:
    operation, (source,) = applied.operation, applied.sources
    is_transposed = operation.kind.startswith("ConvTranspose")
    positions = math.prod(source.shape[1:]) if is_transposed else math.prod(applied.shape[1:])
    macs = math.prod(operation.integers("kernel_size")) * positions
    groups = num_groups(operation)
    is_reader = groups == 1 and not propagation.keeps_all
    return macs if is_reader else macs * operation.integer("in_channels") // groups


def _linear_macs(applied: Applied, propagation: Propagation) -> int:
    positions = math.prod(applied.shape[:-1])
    return positions * applied.operation.integer("in_features") if propagation.keeps_all else positions


def _is_padded(operation: Operation) -> bool:
    padding = operation.arguments["padding"]
    if operation.arguments.get("padding_mode", "zeros") != "zeros":
        return False  # what is padded is the constant itself
    if isinstance(padding, str):
        return padding != "valid"
    return any(padding) if isinstance(padding, tuple) else bool(padding)


def _border(node: Node) -> tuple[int, ...]:
    """For every spatial axis how many positions at either end of the output see the zero padding."""
    arguments, axes = node.operation.arguments, len(node.shape) - 1
    is_strided = any(step != 1 for step in _each("stride", node))
    # A strided layer's border depends on what is left of the size divided by the stride.
    if node.keeps_all or node.axis != 0 or not _is_padded(node.operation) or is_strided:
        return ()
    extents = _extents(node)
    if arguments["padding"] == "same":
        border = tuple((extent - 1) // 2 for extent in extents) if all(extent % 2 for extent in extents) else ()
    else:
        border = _each("padding", node)
    has_middle = len(border) == axes and all(
        size > 2 * width for size, width in zip(node.shape[1:], border, strict=True)
    )
    return border if has_middle else ()


def _each(name: str, node: Node) -> tuple[int, ...]:
    value = node.operation.arguments[name]
    given = value if isinstance(value, tuple) else (value,) * (len(node.shape) - 1)
    return tuple(item for item in given if isinstance(item, int))


def _extents(node: Node) -> list[int]:
    """How many positions a kernel spans along each axis."""
    pairs = zip(_each("kernel_size", node), _each("dilation", node), strict=True)
    return [dilation * (size - 1) + 1 for size, dilation in pairs]


def _read(inputs: ConstantInputs) -> Tensor:
    """What a layer without padding makes of one number an input channel."""
    value, weight = inputs.first.double(), inputs.tensors["weight"].double()
    weight = weight if inputs.node.operation.kind == "Linear" else weight.flatten(2).sum(2)
    if weight.shape[1] != len(value):  # several groups, of as many inputs each
        per_group = len(inputs.kept) * weight.shape[1] // len(value)
        result = (weight * value.view(-1, weight.shape[1]).repeat_interleave(per_group, dim=0)).sum(1)
    else:
        result = weight @ value
    bias = inputs.tensors.get("bias")
    return (result if bias is None else result + bias.double()).to(inputs.first.dtype)


def bordered_value(inputs: ConstantInputs) -> Tensor:
    """What a convolution with zero padding makes of one number an input channel, on the smallest image with a middle.

    Args:
        inputs: A node for which `OnConstants.border` tells a border.

    Returns:
        `[len(kept), 2 b + 1, ...]`, b for every spatial axis the width of the border.
    """
    layer = make_layer(inputs.operation).double().eval()
    layer.load_state_dict(inputs.tensors)
    # An image as large as the kernel spans gives 2 b + 1 positions: b that see each border, and one that sees none.
    extents = _extents(inputs.node)
    image = inputs.first.double().view(1, -1, *([1] * len(extents))).expand(1, -1, *extents)
    with torch.no_grad():
        return torch.as_tensor(layer(image))[0].to(inputs.first.dtype)


def _convolution_sizes(left: Left) -> dict[str, Argument]:
    operation = left.node.operation
    is_reader = num_groups(operation) == 1
    groups = 1 if is_reader else operation.integer("groups") * left.num_channels // left.node.num_channels
    return {"in_channels": left.num_inputs, "out_channels": left.num_channels, "groups": groups}


def _linear_sizes(left: Left) -> dict[str, Argument]:
    return {"in_features": left.num_inputs, "out_features": left.num_channels}


def _convolution_of_call(kind: str, is_transposed: bool, called: LayerCall) -> LayerWords:
    axes, weight, groups = len(called.shape) - 1, called.tensors["weight"], called.arguments.get("groups", 1)
    assert isinstance(groups, int)
    first, second = weight.shape[:2]
    values: dict[str, object] = {
        "in_channels": first if is_transposed else second * groups,
        "out_channels": second * groups if is_transposed else first,
        "kernel_size": tuple(weight.shape[2:]),
        "stride": called.arguments.get("stride", 1),
        "padding": called.arguments.get("padding", 0),
        "dilation": called.arguments.get("dilation", 1),
        "groups": groups,
        "bias": "bias" in called.tensors,
    }
    if is_transposed:
        values["output_padding"] = called.arguments.get("output_padding", 0)
    for name in ("stride", "padding", "dilation", "output_padding"):
        value = values.get(name)
        if isinstance(value, int):
            values[name] = (value,) * axes
        elif isinstance(value, (tuple, list)) and len(value) == 1:
            values[name] = tuple(value) * axes
    return LayerWords(kind=kind, arguments=values)


def _linear_of_call(called: LayerCall) -> LayerWords:
    outputs, features = called.tensors["weight"].shape
    values = {"in_features": features, "out_features": outputs, "bias": "bias" in called.tensors}
    return LayerWords(kind="Linear", arguments=values)


def _of_rank(n: int) -> Iterable[OperationRecord]:
    plain, transposed = f"Conv{n}d", f"ConvTranspose{n}d"
    shrinking = Shrinking(resized=with_sizes(_convolution_sizes), roles=_ROLES)
    yield OperationRecord(
        name=plain,
        family=Family.CONVOLUTION,
        propagate=convolution,
        macs=_convolution_macs,
        on_constants=OnConstants(
            keeps=lambda node: not _is_padded(node.operation) and node.axis == 0, value=_read, border=_border
        ),
        shrinking=shrinking,
        weight_axes=WeightAxes(outputs=0, inputs=1),
        has_tensors=True,
    )
    yield OperationRecord(
        name=transposed,
        family=Family.TRANSPOSED_CONVOLUTION,
        propagate=convolution,
        macs=_convolution_macs,
        shrinking=shrinking,
        weight_axes=WeightAxes(outputs=1, inputs=0),
        has_tensors=True,
        is_counted_by_thop=False,
    )
    for home in ("torch.", "torch.nn.functional."):
        yield as_layer(
            f"{home}conv{n}d",
            LayerForm(
                parameters=_PARAMETERS, layer=partial(_convolution_of_call, plain, False), roles=("weight", "bias")
            ),
        )
        yield as_layer(
            f"{home}conv_transpose{n}d",
            LayerForm(
                parameters=_TRANSPOSED_PARAMETERS,
                layer=partial(_convolution_of_call, transposed, True),
                roles=("weight", "bias"),
            ),
        )


RECORDS = (
    *chain.from_iterable(map(_of_rank, (1, 2, 3))),
    OperationRecord(
        name="Linear",
        family=Family.LINEAR,
        propagate=linear,
        macs=_linear_macs,
        on_constants=OnConstants(keeps=lambda _: True, value=_read),
        shrinking=Shrinking(resized=with_sizes(_linear_sizes), roles=_ROLES),
        weight_axes=WeightAxes(outputs=0, inputs=1),
        has_tensors=True,
    ),
    as_layer(
        "torch.nn.functional.linear",
        LayerForm(parameters=("input", "weight", "bias"), layer=_linear_of_call, roles=("weight", "bias")),
    ),
)
