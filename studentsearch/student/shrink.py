"""One layer with fewer channels: the arguments of its constructor and the slices of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from studentsearch.graph.links import Indices
from studentsearch.graph.network import Argument, Node, Operation
from studentsearch.graph.weighted import READERS, TRANSPOSED, is_reader

_OF_CHANNELS = ("weight", "bias", "running_mean", "running_var", "value")


def shrunk_operation(node: Node, kept: Indices, read: Indices) -> Operation:
    """The operation for the channels that are left.

    Args:
        node: Any node that computes.
        kept: Output channels that are left.
        read: Channels (of a reader: input entries) of the first input that are left.

    Returns:
        The operation, the same where no argument counts channels.
    """
    operation, left = node.operation, len(kept)
    if node.whole and node.operation.kind != "Parameter":
        return operation
    sizes: dict[str, Argument] = {}
    if operation.kind == "Linear":
        sizes = {"in_features": len(read), "out_features": left}
    elif operation.kind in READERS:
        groups = operation.integer("groups") * left // node.num_channels if not is_reader(node) else 1
        sizes = {"in_channels": len(read), "out_channels": left, "groups": groups}
    elif "num_features" in operation.arguments:
        sizes = {"num_features": left}
    elif operation.kind == "GroupNorm":
        groups = operation.integer("num_groups") * left // node.num_channels
        sizes = {"num_channels": left, "num_groups": groups}
    elif operation.kind == "Constant":
        sizes = {"num_channels": left}
    elif operation.kind == "PReLU" and operation.integer("num_parameters") > 1:
        sizes = {"num_parameters": left}
    elif operation.kind == "Parameter":
        sizes = {"shape": _parameter_shape(node, left)}
    elif operation.name == "torch.unflatten":
        return _resplit(node, left)
    return replace(operation, arguments={**operation.arguments, **sizes}) if sizes else operation


def _parameter_shape(node: Node, left: int) -> tuple[int, ...]:
    shape = list(node.operation.integers("shape"))
    axis = node.axis - len(node.shape) + len(shape)
    if axis >= 0:
        shape[axis] = left
    return tuple(shape)


def _resplit(node: Node, left: int) -> Operation:
    """A split of an axis into several, the one of channels with those that are left."""
    arguments = node.operation.arguments["arguments"]
    assert isinstance(arguments, tuple)
    tensor, axis, sizes = arguments
    assert isinstance(axis, int)
    assert isinstance(sizes, tuple)
    place = node.axis + 1 - axis
    if not 0 <= place < len(sizes):
        return node.operation
    resized = (*sizes[:place], left, *sizes[place + 1 :])
    return replace(node.operation, arguments={**node.operation.arguments, "arguments": (tensor, axis, resized)})


def shrunk_state(node: Node, kept: Indices, read: Indices, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a layer or parameter for the channels that are left.

    Args:
        node: Any node.
        kept: Output channels that are left.
        read: Input entries that are left.
        state: Tensors of the network by name.

    Returns:
        The node's own tensors by name.
    """
    if not node.path:
        return {}
    rows, columns = torch.from_numpy(kept), torch.from_numpy(read)
    if node.operation.kind == "Parameter":
        tensor = state[node.path]
        axis = node.axis - len(node.shape) + tensor.dim()
        return {node.path: tensor.index_select(axis, rows) if axis >= 0 and not node.whole else tensor}
    own = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] == node.path}
    if node.operation.kind == "MultiheadAttention":
        own = {name: tensor for name, tensor in state.items() if name.startswith(f"{node.path}.")}
    shrunk: dict[str, Tensor] = {}
    for name, tensor in own.items():
        role = name.rpartition(".")[2]
        is_sliced = not node.whole and role in _OF_CHANNELS and tensor.dim() > 0
        shrunk[name] = _sliced(node, role, tensor, rows, columns) if is_sliced else tensor
    return shrunk


def _sliced(node: Node, role: str, tensor: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    if node.operation.kind == "PReLU" and tensor.numel() == 1:
        return tensor
    if node.operation.kind == "LayerNorm":
        return tensor
    if role != "weight" or node.operation.kind not in READERS:
        return tensor[rows]
    if node.operation.kind in TRANSPOSED:
        return (tensor[columns][:, rows] if is_reader(node) else tensor[columns]).contiguous()
    return (tensor[rows][:, columns] if is_reader(node) else tensor[rows]).contiguous()
