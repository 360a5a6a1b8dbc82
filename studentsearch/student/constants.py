"""What becomes of a layer that lost all its inputs: its numbers are folded through what follows, exactly."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from studentsearch.graph.dependencies import Indices
from studentsearch.graph.network import Node
from studentsearch.graph.operations.constants import ConstantInputs
from studentsearch.graph.operations.convolution import bordered_value as value_with_border
from studentsearch.graph.operations.table import record_of
from studentsearch.student.shrink import shrunk_operation, shrunk_state


def folded_value(
    node: Node,
    kept: Indices,
    takes: tuple[Indices, ...],
    values: tuple[Tensor | None, ...],
    state: Mapping[str, Tensor],
) -> Tensor | None:
    """The numbers of a node all of whose inputs are constants, one a channel.

    Args:
        node: Any node but an input or an output.
        kept: Its channels that are needed.
        takes: For every input the channels (of a reader: entries) that it takes.
        values: For every input the numbers of these channels, None where it takes none.
        state: Tensors of the network by name.

    Returns:
        `[len(kept)]`, or None for what must be computed: whatever treats the border of an image unlike its middle.
        Layers that cost multiply-accumulates are asked for only where the count has left them out.
    """
    record = record_of(node.operation)
    # The channels of a node that keeps all need not be those of its input, however many both have.
    if record is None or node.keeps_all:
        return None
    return record.on_constants.value(_inputs(node, kept, takes, values, state))


def bordered_value(node: Node, kept: Indices, read: Indices, value: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """What a convolution with zero padding makes of one number an input channel, on the smallest image with a middle.

    Args:
        node: One for which `border_of` tells a border.
        kept: Output channels that are needed.
        read: Input channels that it reads.
        value: Their numbers.
        state: Tensors of the network by name.

    Returns:
        `[len(kept), 2 b + 1, ...]`, b for every spatial axis the width of the border.
    """
    return value_with_border(_inputs(node, kept, (read,), (value,), state))


def _inputs(
    node: Node,
    kept: Indices,
    takes: tuple[Indices, ...],
    values: tuple[Tensor | None, ...],
    state: Mapping[str, Tensor],
) -> ConstantInputs:
    own = shrunk_state(node, kept, takes[0], state)
    return ConstantInputs(
        node=node,
        operation=shrunk_operation(node, kept, takes[0]),
        tensors={name.rpartition(".")[2]: tensor for name, tensor in own.items()},
        kept=kept,
        takes=takes,
        values=values,
    )
