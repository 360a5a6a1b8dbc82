"""A traced network as frozen facts: nodes in topological order, with shapes and channel dependencies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from studentsearch.graph.arguments import Argument
from studentsearch.graph.dependencies import ChannelDependency, Indices

__all__ = ["Argument", "Network", "Node", "Operation", "call"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a node computes, in the words of torch.

    Attributes:
        kind: A torch.nn class (`Conv2d`, `ReLU`), or one of `Input`, `Parameter`, `Concat`, `Add`, `Output`, `Select`,
            `Constant`, `StochasticDepth`, or `Call` for any other function of torch.
        arguments: Constructor arguments by name; of a `Call` its `function`, `arguments` and `options`; of an `Output`
            the `structure` in which several tensors are returned, and which of them the `logits` are.
    """

    kind: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The kind, or the function that is called."""
        return str(self.arguments["function"]) if self.kind == "Call" else self.kind

    @property
    def has_path(self) -> bool:
        """Whether it stands at a module path: layers and tensors outside layers do."""
        return self.kind not in {"Input", "Concat", "Add", "Output", "Call"}

    @property
    def is_layer(self) -> bool:
        """Whether a module computes it."""
        return self.has_path and self.kind != "Parameter"

    @property
    def logits(self) -> int:
        """Of an `Output`: which of the tensors that it reads is trained and evaluated."""
        return self.integer("logits") if "logits" in self.arguments else 0

    def integer(self, name: str) -> int:
        """The integer argument `name`; a missing or other-typed one is a bug of ours."""
        value = self.arguments[name]
        assert isinstance(value, int), f"{self.kind}.{name} is {value!r}"
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """The argument `name` as a tuple of integers."""
        value = self.arguments[name]
        assert isinstance(value, tuple), f"{self.kind}.{name} is {value!r}"
        return tuple(int(item) for item in value if isinstance(item, int))


def call(function: str, *arguments: Argument, options: tuple[tuple[str, Argument], ...] = ()) -> Operation:
    """A call of a function of torch.

    Args:
        function: Its public name, `torch.permute`.
        arguments: Positional arguments, tensors as `("$input", i)`.
        options: Named arguments.

    Returns:
        The operation.
    """
    return Operation(kind="Call", arguments={"function": function, "arguments": arguments, "options": options})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One step of the network.

    Attributes:
        index: Position in `Network.nodes`; inputs have smaller ones.
        name: A Python identifier, unique in the network.
        path: Module path of a layer or parameter (`features.conv0`), empty for functional calls.
        operation: What is computed.
        inputs: Indices of the nodes read, in argument order.
        shape: Output shape without the batch; of a parameter its whole shape.
        axis: The axis of `shape` that runs over channels (or features).
        dependencies: For every input, which of its channels each channel of this node takes; of a reader, the entries
            of its weight's input axis.
        coupled: `[C]` labels: channels of one label live or die together; None where each is on its own.
        unit_macs: Multiply-accumulates of one output channel; of a reader, of one output channel and one input entry.
        location: Module path of the code that made the call, for messages and `--skip`.
        keeps_all: Why all of its channels are kept, empty where they may be cut.
    """

    index: int
    name: str
    path: str
    operation: Operation
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    axis: int = 0
    dependencies: tuple[ChannelDependency, ...] = ()
    coupled: Indices | None = None
    unit_macs: int = 0
    location: str = ""
    keeps_all: str = ""

    @property
    def num_channels(self) -> int:
        """Channels (of a map) or features (of a vector)."""
        return self.shape[self.axis] if self.shape else 1

    @property
    def num_positions(self) -> int:
        """Entries a channel: spatial positions, or tokens; 1 for a vector."""
        return math.prod(self.shape) // max(self.num_channels, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """Nodes in topological order, the first of them `Input`, the last `Output`."""

    nodes: tuple[Node, ...]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image, `[C, H, W]`."""
        return self.nodes[0].shape

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of all inputs, without the batch."""
        return tuple(node.shape for node in self.nodes if node.operation.kind == "Input")

    @property
    def logits(self) -> Node:
        """The node whose tensor is trained and evaluated; the first of several outputs where none was named."""
        end = self.nodes[-1]
        return self.nodes[end.inputs[end.operation.logits]]

    @property
    def num_outputs(self) -> int:
        """Classes, or features of the last layer."""
        return self.logits.num_channels

    def sources_of(self, node: Node) -> tuple[Node, ...]:
        """The nodes that `node` reads."""
        return tuple(self.nodes[index] for index in node.inputs)

    def users(self) -> tuple[tuple[int, ...], ...]:
        """For every node the indices of the nodes that read it, ascending."""
        users: list[list[int]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                users[source].append(node.index)
        return tuple(tuple(indices) for indices in users)
