"""Nodes written in order, movements among them only once something reads what was moved."""

from __future__ import annotations

from dataclasses import replace

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import Argument
from studentsearch.graph.names import step_name
from studentsearch.graph.network import Node, Operation
from studentsearch.graph.operations.movements import moving, numbers, run
from studentsearch.graph.operations.propagation import Applied, Propagation
from studentsearch.graph.operations.structure import selection
from studentsearch.graph.operations.table import has_reading_weight, movement_of
from studentsearch.graph.recording.movement import (
    Moved,
    moves_batch,
    of_any_size,
    picked_channels,
    picks_at_every_size,
    regrouping,
    with_batch_first,
)
from studentsearch.graph.recording.recorded_calls import MIXED


class NodeWriter:
    """The nodes of a network that is being traced."""

    def __init__(self) -> None:
        """Begin with none."""
        self.nodes: list[Node] = []
        self.has_reader: list[bool] = []
        self._names: set[str] = set()
        self._real: dict[int, Node] = {}
        self._held: list[Moved] = []

    def moved(self, value: Moved) -> Node:
        """The node of a tensor that was moved; what moves it is written now.

        Args:
            value: What was moved.

        Returns:
            Always the same node for the same tensor.
        """
        if id(value) not in self._real:
            self._held.append(value)  # while it lives no other tensor has its id
            self._real[id(value)] = self._settle(value)
        return self._real[id(value)]

    def _settle(self, value: Moved) -> Node:
        channels = picked_channels(value.base, value.entries)
        if channels is not None and picks_at_every_size(value, channels):
            return self.select(value.base, tuple(channels.tolist()))
        value = with_batch_first(value)
        if value.entries.shape[0] != 1 or moves_batch(_all_arguments(value.operation)):
            raise UnsupportedGraphError(MIXED)
        source = value.base if value.parent is None else self.moved(value.parent)
        if movement_of(value.operation).regroups:
            for operation in regrouping(value.operation, source, value.shape):
                source = self._moved_node(of_any_size(operation, source), source)
            return source
        alone = replace(value, base=source, entries=run(value.operation, numbers(source.shape)), parent=None)
        channels = picked_channels(source, alone.entries)
        if channels is not None and picks_at_every_size(alone, channels):
            return self.select(source, tuple(channels.tolist()))
        return self._moved_node(value.operation, source)

    def _moved_node(self, operation: Operation, source: Node) -> Node:
        applied = Applied(
            operation=operation, sources=(source,), shape=tuple(run(operation, numbers(source.shape)).shape[1:])
        )
        return self.write(operation.name.rpartition(".")[2].lower(), applied, moving(applied))

    def select(self, source: Node, channels: tuple[int, ...]) -> Node:
        """The node of some channels of another.

        Args:
            source: Any node.
            channels: Indices on its axis of channels, -1 for zeros.

        Returns:
            A `Select`, or the node itself where these are all of its channels.
        """
        if channels == tuple(range(source.num_channels)):
            return source
        operation = Operation(kind="Select", arguments={"channels": channels, "axis": source.axis + 1})
        shape = (*source.shape[: source.axis], len(channels), *source.shape[source.axis + 1 :])
        applied = Applied(operation=operation, sources=(source,), shape=shape)
        return self.write("select", applied, selection(applied))

    def write(
        self,
        name: str,
        applied: Applied,
        propagation: Propagation,
        *,
        macs: int = 0,
        path: str = "",
        location: str = "",
    ) -> Node:
        """Add a node.

        Args:
            name: Made unique by a number where it is taken.
            applied: What it computes of which nodes.
            propagation: How channels pass.
            macs: Multiply-accumulates of one output channel; of a reader, of one output channel and one input entry.
            path: Module path of a layer or parameter.
            location: Module path of the code that made the call.

        Returns:
            The node.
        """
        node = Node(
            index=len(self.nodes),
            name=self._fresh(name),
            path=path,
            operation=applied.operation,
            inputs=tuple(source.index for source in applied.sources),
            shape=applied.shape,
            axis=propagation.axis,
            dependencies=propagation.dependencies,
            coupled=propagation.coupled,
            unit_macs=macs,
            location=location,
            keeps_all=propagation.keeps_all,
        )
        self.nodes.append(node)
        is_producer = has_reading_weight(applied.operation)
        self.has_reader.append(is_producer or any(self.has_reader[source.index] for source in applied.sources))
        return node

    def _fresh(self, name: str) -> str:
        base = step_name(name)
        fresh, number = base, 1
        while fresh in self._names:
            fresh, number = f"{base}_{number}", number + 1
        self._names.add(fresh)
        return fresh


def _all_arguments(operation: Operation) -> Argument:
    if operation.kind != "Call":
        return None
    return (operation.arguments["arguments"], operation.arguments["options"])
