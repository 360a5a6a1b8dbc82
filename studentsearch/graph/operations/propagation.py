"""What a propagation rule reads and answers, and the rules that many families share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studentsearch.graph.arguments import Argument
from studentsearch.graph.dependencies import ChannelDependency, Indices, all_of, same, taking
from studentsearch.graph.network import Node, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """An operation applied to nodes, about to become a node itself.

    Attributes:
        operation: What is computed.
        sources: The nodes it reads.
        shape: Its output without the batch.
    """

    operation: Operation
    sources: tuple[Node, ...]
    shape: tuple[int, ...]

    def argument(self, name: str, position: int, default: Argument = None) -> Argument:
        """An argument of a call by position (the first tensor is 0) or name."""
        positional, options = self.operation.arguments["arguments"], self.operation.arguments["options"]
        assert isinstance(positional, tuple)
        assert isinstance(options, tuple)
        if position < len(positional):
            return positional[position]
        return next((item[1] for item in options if isinstance(item, tuple) and item[0] == name), default)

    def axes(self, name: str, position: int, default: Argument = None) -> tuple[int, ...]:
        """An argument that names axes, as axes of the first source without the batch; the batch itself is -1."""
        value = self.argument(name, position, default)
        rank = len(self.sources[0].shape) + 1
        if value is None:
            return tuple(range(-1, rank - 1))
        given = value if isinstance(value, tuple) else (value,)
        return tuple(int(axis) % rank - 1 for axis in given if isinstance(axis, int))


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagation:
    """How channels pass through an operation; the fields are those of `Node`."""

    axis: int
    dependencies: tuple[ChannelDependency, ...]
    coupled: Indices | None = None
    keeps_all: str = ""


PropagationRule = Callable[[Applied], Propagation]


def all_channels(applied: Applied, reason: str = "mixes its channels", *, axis: int | None = None) -> Propagation:
    """Everything is needed as soon as anything is.

    Args:
        applied: The operation.
        reason: Why, in words that follow the layer's name.
        axis: The axis of channels of the output; the last where channels of the first input lie on the last, else the
            first, where it is not given.

    Returns:
        A propagation in which each channel takes all channels of every input.
    """
    if axis is None:
        is_last = bool(applied.sources) and applied.sources[0].axis == len(applied.sources[0].shape) - 1
        axis = len(applied.shape) - 1 if is_last else 0
    num_channels = applied.shape[axis] if applied.shape else 1
    return Propagation(
        axis=axis,
        dependencies=tuple(all_of(source.num_channels, num_channels) for source in applied.sources),
        coupled=np.zeros(num_channels, dtype=np.int64),
        keeps_all=reason,
    )


def elementwise(applied: Applied) -> Propagation:
    """Output i takes entry i of every input, inputs of size 1 along an axis are repeated."""
    axis = _common_axis(applied)
    if axis is None:  # or the positions of one input lie along the channels of another
        return all_channels(applied, "joins channels of different axes")
    num_channels = applied.shape[axis]
    repeated = taking(np.zeros(num_channels, dtype=np.int64), 1)
    dependencies = tuple(same(num_channels) if s.num_channels == num_channels else repeated for s in applied.sources)
    return Propagation(axis=axis, dependencies=dependencies)


def _common_axis(applied: Applied) -> int | None:
    """The axis of the output along which every input has its channels, or nothing that is not repeated."""
    rank = len(applied.shape)
    computed = [source for source in applied.sources if source.operation.kind != "Parameter"]
    several = [source for source in computed if source.num_channels > 1]
    candidates = dict.fromkeys(aligned(source, rank) for source in several or computed or applied.sources)
    return next((axis for axis in candidates if all(_fits(source, axis, rank) for source in applied.sources)), None)


def aligned(source: Node, rank: int) -> int:
    """The axis of a node's channels in a tensor of `rank` axes that it is broadcast to."""
    return source.axis + rank - len(source.shape)


def _fits(source: Node, axis: int, rank: int) -> bool:
    if aligned(source, rank) == axis:
        return True
    position = axis - rank + len(source.shape)
    return source.num_channels == 1 and (position < 0 or source.shape[position] == 1)


def positional(applied: Applied) -> Propagation:
    """Each channel on its own, positions mixed: pooling, interpolation, padding."""
    (source, *_) = applied.sources
    if source.axis in _mixed_axes(applied) or len(source.shape) != len(applied.shape):
        return all_channels(applied)
    return Propagation(axis=source.axis, dependencies=(same(source.num_channels),) * len(applied.sources))


def num_spatial_axes(kind: str) -> int | None:
    """How many axes at the end a layer of this kind works along (`MaxPool2d`: 2), None where its name tells none."""
    digit = kind[-2:-1]
    return int(digit) if digit.isdigit() and kind.endswith("d") else None


def _mixed_axes(applied: Applied) -> range | tuple[int, ...]:
    """The axes of the input along which an operation on positions mixes entries."""
    # A layer given a tensor of one axis less than it expects takes the batch for channels (MaxPool1d of [B, features]),
    # so that all axes are positions.
    rank = len(applied.shape)
    spatial = num_spatial_axes(applied.operation.kind)
    if spatial is not None:
        return range(rank - spatial, rank)
    if not applied.operation.name.endswith(".pad"):
        return range(1, rank)
    amounts = applied.argument("pad", 1)
    assert isinstance(amounts, tuple)
    pairs = enumerate(zip(amounts[::2], amounts[1::2], strict=True))
    return tuple(rank - 1 - position for position, pair in pairs if any(pair))
