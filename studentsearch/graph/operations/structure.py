"""Kinds of ours: inputs, outputs and parameters, and what joins, picks or lays out channels."""

from __future__ import annotations

import numpy as np

from studentsearch.graph.dependencies import ChannelDependency, same, taking
from studentsearch.graph.network import Argument, Node
from studentsearch.graph.operations.constants import MOVED, OnConstants
from studentsearch.graph.operations.operation_record import Family, OperationRecord, elementwise_operation, ungated
from studentsearch.graph.operations.propagation import Applied, Propagation, all_channels, elementwise
from studentsearch.graph.operations.shrinking import Left, Shrinking, counting, with_sizes

_UNGATED = """
    block_diag cat column_stack diag_embed diagonal dstack eye full hstack linspace ones ravel row_stack
    tril triu vstack zeros arange atleast_1d atleast_2d atleast_3d
"""


def concatenation(applied: Applied) -> Propagation:
    """Each input gets its own stretch of the output's channels; along another axis channels stay what they are."""
    axes = {source.axis for source in applied.sources}
    axis = applied.operation.integer("axis") - 1
    if len(axes) > 1:
        return all_channels(applied, "joins channels of different axes")
    num_channels = applied.shape[next(iter(axes))]
    if axis not in axes:
        return Propagation(axis=axes.pop(), dependencies=(same(num_channels),) * len(applied.sources))
    dependencies: list[ChannelDependency] = []
    start = 0
    for source in applied.sources:
        sources = np.full(num_channels, -1)
        sources[start : start + source.num_channels] = np.arange(source.num_channels)
        dependencies.append(taking(sources, source.num_channels))
        start += source.num_channels
    return Propagation(axis=axis, dependencies=tuple(dependencies))


def stacking(applied: Applied) -> Propagation:
    """Inputs beside one another on a new axis."""
    dim = applied.argument("dim", 1, 0)
    assert isinstance(dim, int)
    new = dim % (len(applied.shape) + 1) - 1
    axes = {source.axis + (new <= source.axis) for source in applied.sources}
    if len(axes) > 1 or new < 0:
        return all_channels(applied, "joins channels of different axes")
    axis = axes.pop()
    return Propagation(axis=axis, dependencies=(same(applied.shape[axis]),) * len(applied.sources))


def gated_linear_unit(applied: Applied) -> Propagation:
    """Output i takes channel i of the first half and of the second."""
    (source,) = applied.sources
    if source.num_channels == applied.shape[source.axis]:
        return Propagation(axis=source.axis, dependencies=(same(source.num_channels),))
    first = np.arange(source.num_channels // 2)
    halves = np.stack([first, first + len(first)], axis=1)
    return Propagation(axis=source.axis, dependencies=(taking(halves, source.num_channels),))


def selection(applied: Applied) -> Propagation:
    """Channel i takes the channel that was picked to position i."""
    (source,) = applied.sources
    axis = applied.operation.integer("axis") - 1
    if source.axis != axis:
        return all_channels(applied)
    channels = np.array(applied.operation.integers("channels"), dtype=np.int64)
    return Propagation(axis=axis, dependencies=(taking(channels, source.num_channels),))


def constant(applied: Applied) -> Propagation:
    """Takes no channel of the tensor that gives its size."""
    axis = applied.operation.integer("axis") - 1
    nothing = np.full((applied.shape[axis], 1), -1, dtype=np.int64)
    dependencies = tuple(ChannelDependency(sources=nothing, num_inputs=s.num_channels) for s in applied.sources)
    return Propagation(axis=axis, dependencies=dependencies)


def _joins_channels(node: Node) -> bool:
    return node.operation.integer("axis") == node.axis + 1


# Along positions different numbers may come to stand in one channel.
_JOINED = OnConstants(
    keeps=lambda node: MOVED.keeps(node) and _joins_channels(node),
    value=lambda inputs: MOVED.value(inputs) if _joins_channels(inputs.node) else None,
)


def _parameter_sizes(left: Left) -> dict[str, Argument]:
    """The shape with the channels that are left; a tensor may have fewer axes than what it is broadcast to."""
    node = left.node
    shape = list(node.operation.integers("shape"))
    axis = node.axis - len(node.shape) + len(shape)
    if axis >= 0:
        shape[axis] = left.num_channels
    return {"shape": tuple(shape)}


RECORDS = (
    OperationRecord(name="Input", family=Family.STRUCTURE),
    OperationRecord(
        name="Parameter",
        family=Family.STRUCTURE,
        shrinking=Shrinking(resized=with_sizes(_parameter_sizes)),
        has_tensors=True,
    ),
    OperationRecord(name="Output", family=Family.STRUCTURE, propagate=elementwise),
    elementwise_operation("Add", Family.STRUCTURE),
    elementwise_operation("Identity", Family.STRUCTURE, is_homogeneous=True),
    OperationRecord(
        name="Concat", family=Family.STRUCTURE, propagate=concatenation, on_constants=_JOINED, is_homogeneous=True
    ),
    OperationRecord(
        name="Select", family=Family.STRUCTURE, propagate=selection, on_constants=MOVED, is_homogeneous=True
    ),
    OperationRecord(
        name="Constant",
        family=Family.STRUCTURE,
        propagate=constant,
        shrinking=Shrinking(resized=counting("num_channels"), roles=frozenset({"value"})),
        has_tensors=True,
    ),
    OperationRecord(name="torch.stack", propagate=stacking),
    OperationRecord(name="GLU", propagate=gated_linear_unit),
    OperationRecord(name="torch.nn.functional.glu", propagate=gated_linear_unit),
    *ungated(f"torch.{name}" for name in _UNGATED.split()),
    *ungated(f"Tensor.{name}" for name in ("sum_to_size", "new_full", "new_ones", "new_zeros")),
)
