"""Nodes written in order, movements among them only once something reads what was moved."""

from __future__ import annotations

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import Argument
from studentsearch.graph.names import step_name
from studentsearch.graph.network import Node, Operation
from studentsearch.graph.passages import Passage, Step
from studentsearch.graph.recording.functional import MIXED
from studentsearch.graph.recording.movement import (
    Moved,
    is_regrouping,
    moves_batch,
    numbers,
    of_any_size,
    passage,
    picked_channels,
    regrouped,
    run,
    with_batch_first,
)
from studentsearch.graph.rules import rule_of
from studentsearch.graph.weighted import READERS


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
        if channels is not None:
            return self.select(value.base, tuple(channels.tolist()))
        value = with_batch_first(value)
        if value.entries.shape[0] != 1 or moves_batch(_all_arguments(value.operation)):
            raise UnsupportedGraphError(MIXED)
        source = value.base if value.parent is None else self.moved(value.parent)
        if is_regrouping(value.operation):
            for operation in regrouped(source.shape, value.shape):
                source = self._moved_node(of_any_size(operation, source), source)
            return source
        own = run(value.operation, numbers(source.shape))
        channels = picked_channels(source, own)
        if channels is not None:
            return self.select(source, tuple(channels.tolist()))
        return self._moved_node(value.operation, source)

    def _moved_node(self, operation: Operation, source: Node) -> Node:
        entries = run(operation, numbers(source.shape))
        name = operation.name.rpartition(".")[2].lower()
        return self.write(name, operation, (source,), passage(operation, source, entries), tuple(entries.shape[1:]))

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
        rule = rule_of(operation)
        assert rule is not None
        step = Step(operation=operation, sources=(source,), shape=shape)
        return self.write("select", operation, (source,), rule(step), shape)

    def write(
        self,
        name: str,
        operation: Operation,
        sources: tuple[Node, ...],
        way: Passage,
        shape: tuple[int, ...],
        *,
        path: str = "",
        place: str = "",
    ) -> Node:
        """Add a node.

        Args:
            name: Made unique by a number where it is taken.
            operation: What it computes.
            sources: The nodes it reads.
            way: How channels pass.
            shape: Its output without the batch.
            path: Module path of a layer or parameter.
            place: Module path of the code that made the call.

        Returns:
            The node.
        """
        node = Node(
            index=len(self.nodes),
            name=self._fresh(name),
            path=path,
            operation=operation,
            inputs=tuple(source.index for source in sources),
            shape=shape,
            axis=way.axis,
            links=way.links,
            ties=way.ties,
            work=way.work,
            place=place,
            whole=way.whole,
        )
        self.nodes.append(node)
        is_producer = operation.kind in READERS
        self.has_reader.append(is_producer or any(self.has_reader[source.index] for source in sources))
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
