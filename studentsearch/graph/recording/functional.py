"""Recorded calls read: their places and shapes, and functional calls as the operations and layers that they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, fx

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import INPUT, encode, function_name
from studentsearch.graph.network import Operation, call
from studentsearch.graph.recording.record import BATCH

EXTREMES = {"torch.max": "torch.amax", "torch.min": "torch.amin"}
MIXED = (
    "positions and images of the batch are mixed on one axis; windows of attention are not followed; "
    "search another network, or write the windows as an axis of their own"
)
TAKEN_APART = (
    "takes the images of a batch apart or puts batches together; expected the same for every image; "
    "move it out of forward"
)
BY_SIZES = frozenset({
    *("torch.squeeze", "Tensor.expand", "torch.broadcast_to", "Tensor.view_as", "Tensor.reshape_as"),
})
"""Movements whose words hold for these sizes alone; `of_axes` writes them so that they hold for fewer channels."""
_SYNONYMS = {"axis": "dim", "keepdims": "keepdim"}
_TAKES_SIZES = frozenset({"torch.reshape", "torch.permute", "torch.flip", "torch.tile"})


def place_of(fx_node: fx.Node) -> str:
    """Where a call stands, for messages and patterns: its module path, and the line of code."""
    if fx_node.op == "call_module":
        return str(fx_node.target)
    path = str(fx_node.meta.get("path", ""))
    return f"{path}.{fx_node.name}" if path else fx_node.name


def first_read(fx_node: fx.Node) -> fx.Node:
    """The first tensor that a call reads."""
    (first, *_) = fx_node.all_input_nodes
    return first


def numbering(given: list[fx.Node]) -> Callable[[fx.Node], int]:
    """Numbers nodes as they come, every mention on its own (`cat([x, x])` reads x twice)."""

    def number(node: fx.Node) -> int:
        given.append(node)
        return len(given) - 1

    return number


def shape_of(fx_node: fx.Node) -> tuple[int, ...]:
    """The shape of what a call gives for one image.

    Args:
        fx_node: A recorded call.

    Returns:
        Without the batch.

    Raises:
        UnsupportedGraphError: It does not give one tensor of the batch's images.
    """
    value = fx_node.meta["value"]
    # Attention without its weights, and the largest entries without their indices.
    is_extreme = function_name(fx_node.target) in EXTREMES
    if isinstance(value, tuple) and value and (value[-1] is None or is_extreme):
        value = value[0]
    if isinstance(value, Tensor) and value.dim() and value.shape[0] > BATCH and value.shape[0] % BATCH == 0:
        raise UnsupportedGraphError(MIXED)
    if not isinstance(value, Tensor) or value.dim() < 2 or value.shape[0] != BATCH:
        found = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        found = found.replace(str(BATCH), "B")
        raise UnsupportedGraphError(
            f"gives {found}; expected one tensor [B, features] or [B, C, ...] an image; "
            "write the part so that it passes on such tensors"
        )
    return tuple(value.shape[1:])


def packed_arguments(fx_node: fx.Node, name: str) -> tuple[object, ...]:
    """Arguments as the function takes them: a method may take sizes one by one."""
    if name in _TAKES_SIZES and len(fx_node.args) > 1 and isinstance(fx_node.args[1], int):
        return (fx_node.args[0], tuple(fx_node.args[1:]))
    return tuple(fx_node.args)


def with_torch_names(fx_node: fx.Node) -> None:
    """Rename the named arguments that torch takes under numpy's names as well (`axis`, `keepdims`)."""
    fx_node.kwargs = {_SYNONYMS.get(name, name): value for name, value in fx_node.kwargs.items()}


def changes_kind(fx_node: fx.Node) -> bool:
    """Whether a change of type makes floating-point numbers of others, or others of these; a student keeps its own."""
    before, after = first_read(fx_node).meta["value"].dtype, fx_node.meta["value"].dtype
    return before != after and not (before.is_floating_point and after.is_floating_point)


def number_like(fx_node: fx.Node) -> fx.Node:
    """The tensor whose type a call gives to a mask or to integers (`(x > 0).float()`): what these were made of.

    Args:
        fx_node: A recorded call that makes floating-point numbers of its first tensor.

    Returns:
        A tensor of floating-point numbers.

    Raises:
        UnsupportedGraphError: Nothing of the kind is found.
    """
    made_of = first_read(fx_node)
    seen = [made_of]
    for node in seen:
        if isinstance(node.meta["value"], Tensor) and node.meta["value"].is_floating_point() and node.op != "get_attr":
            return node
        seen += (item for item in node.all_input_nodes if item not in seen)
    raise UnsupportedGraphError(
        f"makes {fx_node.meta['value'].dtype} of {made_of.meta['value'].dtype}; expected a tensor computed from "
        "floating-point numbers; compute it with torch.where"
    )


def of_axes(name: str, fx_node: fx.Node) -> Operation | None:
    """A movement by sizes as one that names no number of channels.

    `squeeze()` drops every axis of size 1 but that of the batch, so a student answers a batch of one image as it
    answers any other; of `squeeze(dim)` only what drops something is left, since an axis cut to one channel stays.

    Args:
        name: One of `BY_SIZES`.
        fx_node: Its recorded call.

    Returns:
        The movement of the first tensor, None where it changes nothing.
    """
    before, after = first_read(fx_node).meta["value"].shape, fx_node.meta["value"].shape
    match name:
        case "torch.squeeze":
            given = fx_node.kwargs.get("dim", fx_node.args[1] if len(fx_node.args) > 1 else tuple(range(len(before))))
            dims = given if isinstance(given, (tuple, list)) else (given,)
            axes = sorted(dim % len(before) for dim in dims if isinstance(dim, int) and before[dim] == 1)
            return call("torch.squeeze", (INPUT, 0), axes[0] if len(axes) == 1 else tuple(axes)) if axes else None
        case "Tensor.view_as" | "Tensor.reshape_as":
            return call("torch.reshape", (INPUT, 0), encode(tuple(after), numbering([]), BATCH))
        case _ if before == after:
            return None
        case _:
            is_alike = len(before) == len(after)
            sizes = tuple(-1 if is_alike and before[axis] == size else size for axis, size in enumerate(after))
            return call("Tensor.expand", (INPUT, 0), encode(sizes, numbering([]), BATCH))


def named_operation(operation: Operation, fx_node: fx.Node) -> Operation:
    """A call as the operation of the same name that has a kind of its own."""
    arguments = operation.arguments["arguments"]
    assert isinstance(arguments, tuple)
    match operation.name:
        case "torch.add" if arguments == ((INPUT, 0), (INPUT, 1)) and not operation.arguments["options"]:
            return Operation(kind="Add")
        case "torch.cat":
            given = fx_node.kwargs.get("dim", fx_node.args[1] if len(fx_node.args) > 1 else 0)
            assert isinstance(given, int)
            return Operation(kind="Concat", arguments={"axis": given % fx_node.meta["value"].dim()})
        case _:
            return operation


def pieces_of(fx_node: fx.Node) -> tuple[Operation, ...]:
    """The parts of chunk, split or unbind, each as a movement of its own.

    Args:
        fx_node: A recorded call of one of these.

    Returns:
        For each part what makes it of the whole.

    Raises:
        UnsupportedGraphError: It takes the batch apart.
    """
    source = fx_node.args[0]
    assert isinstance(source, fx.Node)
    is_unbind = function_name(fx_node.target) == "torch.unbind"
    position = 1 if is_unbind else 2
    given = fx_node.kwargs.get("dim", fx_node.args[position] if len(fx_node.args) > position else 0)
    assert isinstance(given, int)
    whole = source.meta["value"]
    if whole.shape[given] % BATCH == 0:
        raise UnsupportedGraphError(TAKEN_APART)
    dim, start, parts = given % whole.dim(), 0, []
    for piece in fx_node.meta["value"]:
        length = 1 if is_unbind else piece.shape[dim]
        end = () if is_unbind else (length,)
        parts.append(call("torch.select" if is_unbind else "torch.narrow", (INPUT, 0), dim, start, *end))
        start += length
    return tuple(parts)


def pads_channels(operation: Operation, fx_node: fx.Node) -> bool:
    """Whether a call of F.pad adds channels of zeros."""
    arguments = operation.arguments["arguments"]
    assert isinstance(arguments, tuple)
    amounts = fx_node.kwargs.get("pad", fx_node.args[1] if len(fx_node.args) > 1 else ())
    rank = fx_node.meta["value"].dim()
    value = fx_node.kwargs.get("value", fx_node.args[3] if len(fx_node.args) > 3 else 0)
    assert isinstance(amounts, (tuple, list))
    return len(amounts) > 2 * (rank - 2) and any(amounts[2 * (rank - 2) :]) and value in (0, None)


def with_both(kind: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a functional norm, completed where its layer has weight and bias or none.

    Args:
        kind: The layer.
        state: Its tensors by role.

    Returns:
        The same, with a weight of ones or a bias of zeros where one is missing.
    """
    given = [state[role] for role in ("weight", "bias") if role in state]
    is_alone = len(given) == 1 and kind in {"BatchNorm", "InstanceNorm", "GroupNorm", "LayerNorm"}
    if not is_alone or (kind == "LayerNorm" and "weight" in state):  # the one that has a weight without a bias
        return dict(state)
    return {"weight": torch.ones_like(given[0]), "bias": torch.zeros_like(given[0]), **state}


def layer_of_call(
    kind: str, bound: Mapping[str, object], state: Mapping[str, Tensor], shape: tuple[int, ...], source: fx.Node
) -> Operation:
    """The layer of a functional call, from its arguments and the shapes of its weights.

    Args:
        kind: The layer, norms without their number of axes.
        bound: The call's arguments by name.
        state: Its weights by role.
        shape: What it makes, without the batch.
        source: The tensor that it reads.

    Returns:
        The layer.

    Raises:
        UnsupportedGraphError: A norm over one value, or over none.
    """
    axes = len(shape) - 1
    inputs = source.meta["value"].shape[1]
    match kind:
        case "Linear":
            outputs, features = state["weight"].shape
            values: dict[str, object] = {"in_features": features, "out_features": outputs, "bias": "bias" in state}
        case "InstanceNorm" if axes == 0 or (math.prod(shape[1:]) == 1 and "running_mean" not in state):
            raise UnsupportedGraphError(
                "norms a channel over its positions, of which there are none or only one; expected [B, C, ...] with "
                "several; take it out, or norm with F.layer_norm"
            )
        case "GroupNorm" if inputs * math.prod(shape[1:]) == bound["num_groups"]:
            # torch.group_norm answers with the bias alone; the layer refuses such a batch of one image.
            raise UnsupportedGraphError(
                "norms groups of one value each, which leaves nothing but the bias; expected several values a group; "
                "take it out, or give fewer groups"
            )
        case "BatchNorm" | "InstanceNorm":
            kind = f"{kind}{max(axes, 1)}d"
            values = {
                "num_features": inputs,
                "eps": bound.get("eps", 1e-5),
                "momentum": bound.get("momentum", 0.1),
                "affine": "weight" in state,
                "track_running_stats": "running_mean" in state,
            }
        case "LayerNorm" | "RMSNorm":
            values = {
                "normalized_shape": bound["normalized_shape"],
                "eps": bound.get("eps", 1e-5 if kind == "LayerNorm" else None),
                "elementwise_affine": "weight" in state,
            }
            if kind == "LayerNorm":
                values["bias"] = "bias" in state
        case "GroupNorm":
            values = {
                "num_groups": bound["num_groups"],
                "num_channels": inputs,
                "eps": bound.get("eps", 1e-5),
                "affine": "weight" in state,
            }
        case "PReLU":
            values = {"num_parameters": state["weight"].numel()}
        case _:
            values = _convolution(kind, bound, state, axes)
    encoded = {name: encode(value, numbering([]), BATCH) for name, value in values.items()}
    return Operation(kind=kind, arguments=encoded)


def _convolution(kind: str, bound: Mapping[str, object], state: Mapping[str, Tensor], axes: int) -> dict[str, object]:
    weight, groups = state["weight"], bound.get("groups", 1)
    assert isinstance(groups, int)
    first, second = weight.shape[:2]
    is_transposed = kind.startswith("ConvTranspose")
    values: dict[str, object] = {
        "in_channels": first if is_transposed else second * groups,
        "out_channels": second * groups if is_transposed else first,
        "kernel_size": tuple(weight.shape[2:]),
        "stride": bound.get("stride", 1),
        "padding": bound.get("padding", 0),
        "dilation": bound.get("dilation", 1),
        "groups": groups,
        "bias": "bias" in state,
    }
    if is_transposed:
        values["output_padding"] = bound.get("output_padding", 0)
    for name in ("stride", "padding", "dilation", "output_padding"):
        value = values.get(name)
        if isinstance(value, int):
            values[name] = (value,) * axes
        elif isinstance(value, (tuple, list)) and len(value) == 1:
            values[name] = tuple(value) * axes
    return values
