"""One layer with fewer channels: the arguments of its constructor and the slices of its tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from studentsearch.graph.dependencies import Indices
from studentsearch.graph.network import Node, Operation
from studentsearch.graph.operations.operation_record import OperationRecord
from studentsearch.graph.operations.shrinking import Left
from studentsearch.graph.operations.table import is_reader, record_of


def shrunk_operation(node: Node, kept: Indices, read: Indices) -> Operation:
    """The operation for the channels that are left.

    Args:
        node: Any node that computes.
        kept: Output channels that are left.
        read: Channels (of a reader: input entries) of the first input that are left.

    Returns:
        The operation, the same where no argument counts channels.
    """
    record = record_of(node.operation)
    keeps_all = node.keeps_all and node.operation.kind != "Parameter"
    if record is None or record.shrinking is None or keeps_all:
        return node.operation
    return record.shrinking.resized(Left(node=node, num_channels=len(kept), num_inputs=len(read)))


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
        return {node.path: tensor.index_select(axis, rows) if axis >= 0 and not node.keeps_all else tensor}
    record = record_of(node.operation)
    if record is not None and record.has_parts:
        return {name: tensor for name, tensor in state.items() if name.startswith(f"{node.path}.")}
    own = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] == node.path}
    if record is None or record.shrinking is None or node.keeps_all:
        return own
    return {name: _cut(node, record, name.rpartition(".")[2], tensor, rows, columns) for name, tensor in own.items()}


def _cut(node: Node, record: OperationRecord, role: str, tensor: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    assert record.shrinking is not None
    axes = record.weight_axes
    if axes is None or role != "weight":
        is_of_channels = record.shrinking.is_cut(role, tensor) and len(tensor) == node.num_channels
        return tensor[rows] if is_of_channels else tensor
    if not is_reader(node):
        # Of several groups: the first axis has all channels, the second those of one group, all of which are kept.
        return tensor[rows if axes.outputs == 0 else columns].contiguous()
    first, second = (rows, columns) if axes.outputs == 0 else (columns, rows)
    return tensor[first][:, second].contiguous()
