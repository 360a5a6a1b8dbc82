"""How a layer shrinks: which of its arguments count channels, and which axes of its tensors are cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from studentsearch.graph.network import Argument, Node, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a node.

    Attributes:
        node: The node in the whole network.
        num_channels: Its output channels that are left.
        num_inputs: Channels (of a reader: entries of its weight's input axis) of its first input that are left.
    """

    node: Node
    num_channels: int
    num_inputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightAxes:
    """Where the weight of a convolution or linear layer, which mixes its input channels, has them.

    Attributes:
        outputs: The axis of output channels.
        inputs: The axis of input channels, of one group where there are several.
    """

    outputs: int
    inputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrinking:
    """How an operation is written for fewer channels.

    Attributes:
        resized: The operation for what is left.
        roles: The tensors with one entry an output channel on their first axis, beside a weight of `WeightAxes`.
    """

    resized: Callable[[Left], Operation]
    roles: frozenset[str] = frozenset()

    def is_cut(self, role: str, tensor: Tensor) -> bool:
        """Whether a tensor of the operation has an axis of output channels; one number for all channels has none."""
        return role in self.roles and tensor.dim() > 0


def with_sizes(sizes: Callable[[Left], Mapping[str, Argument]]) -> Callable[[Left], Operation]:
    """How operations shrink whose constructor counts channels.

    Args:
        sizes: The arguments that count channels, for what is left.

    Returns:
        The operation with these arguments.
    """

    def resized(left: Left) -> Operation:
        operation = left.node.operation
        return replace(operation, arguments={**operation.arguments, **sizes(left)})

    return resized


def counting(argument: str) -> Callable[[Left], Operation]:
    """How operations shrink of whose arguments one is the number of output channels."""
    return with_sizes(lambda left: {argument: left.num_channels})
