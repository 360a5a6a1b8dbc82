"""A traced network as frozen facts: nodes in topological order, each with its operation and shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Argument: TypeAlias = "bool | int | float | str | tuple[Argument, ...] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a node computes, in the words of torch.nn.

    Attributes:
        kind: The torch.nn class (`Conv2d`, `ReLU`), or one of `Input`, `Concat`, `Add`, `Output`, `Select`, `Constant`.
        arguments: Constructor arguments by name.
    """

    kind: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of the network.

    Attributes:
        index: Position in `Network.nodes`; inputs have smaller ones.
        name: A Python identifier, unique in the network.
        path: Module path of a layer (`features.conv0`), empty for functional calls.
        operation: What is computed.
        inputs: Indices of the nodes read, in argument order.
        shape: Output shape without the batch, channels (or features) first.
    """

    index: int
    name: str
    path: str
    operation: Operation
    inputs: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def num_channels(self) -> int:
        """Channels (of a map) or features (of a vector)."""
        return self.shape[0]

    @property
    def num_positions(self) -> int:
        """Spatial positions; 1 for a vector."""
        positions = 1
        for size in self.shape[1:]:
            positions *= size
        return positions


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Nodes in topological order, the first of them `Input`, the last `Output`."""

    nodes: tuple[Node, ...]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image, `[C, H, W]`."""
        return self.nodes[0].shape

    @property
    def num_outputs(self) -> int:
        """Classes, or features of the last layer."""
        return self.nodes[-1].num_channels

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
