"""The total table of operations, and what is asked of it. What stands in no record is refused with its module path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import resolve
from studentsearch.graph.layer_classes import layer_class
from studentsearch.graph.network import Node, Operation
from studentsearch.graph.operations import (
    convolution,
    elementwise,
    movements,
    normalization,
    pooling,
    products,
    reduction,
    resizing,
    structure,
)
from studentsearch.graph.operations.convolution import num_groups
from studentsearch.graph.operations.operation_record import Family, Movement, OperationRecord
from studentsearch.graph.operations.shrinking import WeightAxes

_FAMILIES = (
    convolution,
    normalization,
    elementwise,
    pooling,
    resizing,
    reduction,
    products,
    structure,
    movements,
)
_OPERATIONS = {record.name: record for record in chain.from_iterable(family.RECORDS for family in _FAMILIES)}
OPERATIONS: Mapping[str, OperationRecord] = MappingProxyType(_OPERATIONS)
"""The table as it is at the moment, by name."""


def use_operation(record: OperationRecord) -> None:
    """Teach the tool an operation.

    Args:
        record: What is known of it; replaces a record of the same name.
    """
    _OPERATIONS[record.name] = record


def record_of(operation: Operation) -> OperationRecord | None:
    """The record of an operation, None where nothing is known of it."""
    return OPERATIONS.get(operation.name)


def is_of(operation: Operation, *families: Family) -> bool:
    """Whether an operation is of one of some families."""
    record = OPERATIONS.get(operation.name)
    return record is not None and record.family in families


def is_elementwise(operation: Operation) -> bool:
    """Whether output i takes entry i of every input."""
    record = OPERATIONS.get(operation.name)
    return record is not None and record.is_elementwise


def has_window(operation: Operation) -> bool:
    """Whether an operation moves a window over positions: convolutions and pooling."""
    return is_of(operation, Family.CONVOLUTION, Family.TRANSPOSED_CONVOLUTION, Family.POOLING)


def is_movement(operation: Operation) -> bool:
    """Whether an operation moves data and computes nothing."""
    return is_of(operation, Family.MOVEMENT)


def movement_of(operation: Operation) -> Movement:
    """What an operation does with entries; nothing of the kind where it is no movement."""
    record = OPERATIONS.get(operation.name)
    return Movement() if record is None or record.movement is None else record.movement


def has_reading_weight(operation: Operation) -> bool:
    """Whether an operation has a weight that mixes channels, in one group or several."""
    record = OPERATIONS.get(operation.name)
    return record is not None and record.weight_axes is not None


def weight_axes_of(node: Node) -> WeightAxes:
    """Where the weight of a convolution or linear layer has its channels; any other node is a bug of ours."""
    record = record_of(node.operation)
    assert record is not None
    assert record.weight_axes is not None, f"{node.operation.name} has no weight"
    return record.weight_axes


def is_reader(node: Node) -> bool:
    """Whether the node's weights mix its input channels, so that a gate may sit on each of them."""
    return has_reading_weight(node.operation) and num_groups(node.operation) == 1 and not node.keeps_all


def is_grouped(node: Node) -> bool:
    """Whether a convolution works in several groups."""
    return has_reading_weight(node.operation) and num_groups(node.operation) > 1


def is_permitted(operation: Operation) -> bool:
    """Whether a student may have an operation.

    torch has functions that read files, load code or change tensors in place, so a name in a student's config.json
    counts only if it stands in the table.

    Args:
        operation: What a step computes.

    Returns:
        True for what has a record that permits it, also one that `use_operation` taught this process.
    """
    record = record_of(operation)
    if record is None or not record.is_permitted or record.is_function != (operation.kind == "Call"):
        return False
    return not operation.is_layer or layer_class(operation.kind) is not None


def require_permitted(operation: Operation) -> None:
    """Refuse what a student could not be loaded with.

    Args:
        operation: What a step computes.

    Raises:
        UnsupportedGraphError: It stands in no table; teach its record.
    """
    if not is_permitted(operation):
        raise UnsupportedGraphError(
            f"the operation {operation.name!s:.100} has no record and is none that a student may contain; teach one "
            "(studentsearch.graph.operations.table.use_operation), or write it with operations of "
            "docs/reference/graph_rules.md"
        )


def function_of(operation: Operation) -> Callable[..., object]:
    """The function that a `Call` names.

    Args:
        operation: A call.

    Returns:
        A function of torch; a method takes its tensor first.
    """
    require_permitted(operation)
    return resolve(operation.name)
