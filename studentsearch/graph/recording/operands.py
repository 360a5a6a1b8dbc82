"""What recorded tensors are while calls become nodes, and the nodes that an operation reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from torch import fx

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.network import Node
from studentsearch.graph.operations.propagation import Applied, Propagation, aligned
from studentsearch.graph.recording.movement import Moved
from studentsearch.graph.recording.owners import Owners
from studentsearch.graph.recording.record import RECORDED_BATCH, Recording
from studentsearch.graph.recording.recorded_calls import MIXED, first_read, location_of, parameter_operation
from studentsearch.graph.recording.writer import NodeWriter

Value: TypeAlias = "Node | Moved | str | tuple[Value, ...]"
"""A node, what was moved and is not written down yet, the name of a parameter, or several of these."""


def result_of(fx_node: fx.Node, results: Value) -> Value:
    """One of several results of a call.

    Args:
        fx_node: A recorded indexing of a tuple.
        results: What is followed of the tuple.

    Returns:
        The result.

    Raises:
        UnsupportedGraphError: It is none of those that are followed.
    """
    index = fx_node.args[1]
    assert isinstance(results, tuple)
    assert isinstance(index, int)
    if not -len(results) <= index < len(results):
        raise UnsupportedGraphError(
            f"result {index} of {location_of(first_read(fx_node))} is not followed (indices of largest entries, "
            "weights of attention); expected the first one only; compute what is needed from that"
        )
    return results[index]


class Operands:
    """The values of recorded tensors, and the nodes of those that something reads."""

    def __init__(self, recording: Recording, writer: NodeWriter, owners: Owners) -> None:
        """Begin with no value.

        Args:
            recording: The calls.
            writer: Gets the nodes of movements and parameters.
            owners: Is told of parameters outside layers.
        """
        self.values: dict[fx.Node, Value] = {}
        self._recording = recording
        self._writer = writer
        self._owners = owners
        self._parameters: dict[tuple[str, int], Node] = {}

    def node(self, fx_node: fx.Node) -> Node:
        """The node of a call's result.

        Movements are written down only now: until something reads what was moved, a chain of them may still turn out to
        pick channels, or to undo itself.

        Args:
            fx_node: A recorded call.

        Returns:
            Its node.

        Raises:
            UnsupportedGraphError: It is a parameter, or positions and images are mixed on one axis.
        """
        value = self.values[fx_node]
        if isinstance(value, Node):
            return value
        if not isinstance(value, Moved):
            raise UnsupportedGraphError(
                "a parameter where a tensor of the image was expected; expand it to [B, ...] by adding it to one"
            )
        if fx_node.meta["value"].shape[0] != RECORDED_BATCH:
            raise UnsupportedGraphError(MIXED)
        return self._writer.moved(value)

    def sources(self, given: Sequence[fx.Node], shape: tuple[int, ...]) -> tuple[Node, ...]:
        """The nodes that an operation reads.

        Args:
            given: Recorded tensors.
            shape: What it makes, without the batch; parameters are broadcast to that.

        Returns:
            One node a tensor.
        """
        values = [self.values[item] for item in given]
        nodes = {number: self.node(given[number]) for number, value in enumerate(values) if not isinstance(value, str)}
        # A parameter has no channels of its own: its axis is that of the tensor it meets, best of one with several.
        several = [node for node in nodes.values() if node.num_channels > 1]
        axis = next((aligned(node, len(shape)) for node in several or nodes.values()), 0)
        for position, value in enumerate(values):
            if isinstance(value, str):
                nodes[position] = self._parameter(value, axis - len(shape))
        return tuple(nodes[position] for position in range(len(values)))

    def _parameter(self, name: str, axis_from_end: int) -> Node:
        """A parameter that stands outside a layer, with its channels where those of its partner are."""
        tensor = self._recording.tensors[name]
        self._owners.parameter(name, tensor)
        if (name, axis_from_end) not in self._parameters:
            shape = (1,) * (-axis_from_end - tensor.dim()) + tuple(tensor.shape)
            applied = Applied(operation=parameter_operation(tensor), sources=(), shape=shape)
            propagation = Propagation(axis=len(shape) + axis_from_end, dependencies=())
            node = self._writer.write(name.replace(".", "_"), applied, propagation, path=name)
            self._parameters[name, axis_from_end] = node
        return self._parameters[name, axis_from_end]
