"""How channels pass through an operation: what a rule answers, and the rules of all that carries channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studentsearch.graph.arguments import Argument
from studentsearch.graph.links import Indices, Link, all_of, same, taking
from studentsearch.graph.network import Node, Operation

NORMS_OVER_AXES = frozenset({"torch.norm", "torch.linalg.vector_norm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An operation about to become a node.

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
class Passage:
    """How channels pass through an operation; the fields are those of `Node`."""

    axis: int
    links: tuple[Link, ...]
    ties: Indices | None = None
    work: int = 0
    whole: str = ""


Rule = Callable[[Step], Passage]


def whole(step: Step, reason: str = "mixes its channels", *, axis: int | None = None) -> Passage:
    """Everything is needed as soon as anything is.

    Args:
        step: The operation.
        reason: Why, in words that follow the layer's name.
        axis: The axis of channels of the output; the last where channels of the first input lie on the last, else the
            first, where it is not given.

    Returns:
        The passage.
    """
    if axis is None:
        is_last = bool(step.sources) and step.sources[0].axis == len(step.sources[0].shape) - 1
        axis = len(step.shape) - 1 if is_last else 0
    num_channels = step.shape[axis] if step.shape else 1
    return Passage(
        axis=axis,
        links=tuple(all_of(source.num_channels, num_channels) for source in step.sources),
        ties=np.zeros(num_channels, dtype=np.int64),
        whole=reason,
    )


def elementwise(step: Step) -> Passage:
    """Output i takes entry i of every input, inputs of size 1 along an axis are repeated.

    Args:
        step: The operation.

    Returns:
        The passage; whole where the inputs' channels lie along different axes, or where the positions of one lie along
        the channels of another.
    """
    axis = _common_axis(step)
    if axis is None:
        return whole(step, "joins channels of different axes")
    num_channels = step.shape[axis]
    repeated = taking(np.zeros(num_channels, dtype=np.int64), 1)
    links = tuple(same(num_channels) if s.num_channels == num_channels else repeated for s in step.sources)
    return Passage(axis=axis, links=links)


def _common_axis(step: Step) -> int | None:
    """The axis of the output along which every input has its channels, or nothing that is not repeated."""
    rank = len(step.shape)
    computed = [source for source in step.sources if source.operation.kind != "Parameter"]
    several = [source for source in computed if source.num_channels > 1]
    candidates = dict.fromkeys(aligned(source, rank) for source in several or computed or step.sources)
    return next((axis for axis in candidates if all(_fits(source, axis, rank) for source in step.sources)), None)


def aligned(source: Node, rank: int) -> int:
    """The axis of a node's channels in a tensor of `rank` axes that it is broadcast to."""
    return source.axis + rank - len(source.shape)


def _fits(source: Node, axis: int, rank: int) -> bool:
    if aligned(source, rank) == axis:
        return True
    position = axis - rank + len(source.shape)
    return source.num_channels == 1 and (position < 0 or source.shape[position] == 1)


def typed(step: Step) -> Passage:
    """Output i takes entry i; of the second tensor it takes the type alone.

    Args:
        step: A call of Tensor.type_as.

    Returns:
        The passage.
    """
    source, like = step.sources
    is_alike = (like.shape, like.axis) == (source.shape, source.axis)
    link = same(like.num_channels) if is_alike else all_of(like.num_channels, source.num_channels)
    return Passage(axis=source.axis, links=(same(source.num_channels), link))


def positional(step: Step) -> Passage:
    """Each channel on its own, positions mixed: pooling, interpolation, padding.

    Args:
        step: The operation.

    Returns:
        The passage; whole where channels lie along an axis whose entries are mixed.
    """
    (source, *_) = step.sources
    if source.axis in _mixed_axes(step) or len(source.shape) != len(step.shape):
        return whole(step)
    return Passage(axis=source.axis, links=(same(source.num_channels),) * len(step.sources))


def num_spatial_axes(kind: str) -> int | None:
    """How many axes at the end a layer of this kind works along (`MaxPool2d`: 2), None where its name tells none."""
    digit = kind[-2:-1]
    return int(digit) if digit.isdigit() and kind.endswith("d") else None


def _mixed_axes(step: Step) -> range | tuple[int, ...]:
    """The axes of the input along which an operation on positions mixes entries."""
    # A layer given a tensor of one axis less than it expects takes the batch for channels (MaxPool1d of [B, features]),
    # so that all axes are positions.
    rank = len(step.shape)
    spatial = num_spatial_axes(step.operation.kind)
    if spatial is not None:
        return range(rank - spatial, rank)
    if not step.operation.name.endswith(".pad"):
        return range(1, rank)
    amounts = step.argument("pad", 1)
    assert isinstance(amounts, tuple)
    pairs = enumerate(zip(amounts[::2], amounts[1::2], strict=True))
    return tuple(rank - 1 - place for place, pair in pairs if any(pair))


def mixing_along(name: str, position: int, default: Argument = -1) -> Rule:
    """The rule of operations that mix entries along one axis and keep the shape: softmax, normalize.

    Args:
        name: The argument that names the axis.
        position: Its position in a call.
        default: Its value where none is given.

    Returns:
        A rule.
    """

    def rule(step: Step) -> Passage:
        """Entries along one axis are mixed: whole where that is the axis of channels, else each channel on its own."""
        source = step.sources[0]
        if source.axis in step.axes(name, position, default):
            return whole(step)
        return Passage(axis=source.axis, links=(same(source.num_channels),) * len(step.sources))

    return rule


def reduction(step: Step) -> Passage:
    """A sum, mean or largest value over axes: each channel on its own, unless channels are summed over.

    Args:
        step: The operation.

    Returns:
        The passage.
    """
    (source,) = step.sources
    axes = reduced_axes(step)
    if source.axis in axes or -1 in axes:
        return whole(step, "sums over channels")
    is_kept = len(step.shape) == len(source.shape)
    axis = source.axis if is_kept else source.axis - sum(axis < source.axis for axis in axes)
    return Passage(axis=axis, links=(same(source.num_channels),))


def reduced_axes(step: Step) -> tuple[int, ...]:
    """The axes that a sum, mean or largest value is taken over, without the batch.

    Args:
        step: The operation.

    Returns:
        Axes of its source.
    """
    return step.axes("dim", 2 if step.operation.name in NORMS_OVER_AXES else 1)


def concatenation(step: Step) -> Passage:
    """Each input gets its own stretch of the output's channels; along another axis channels stay what they are.

    Args:
        step: The operation, a `Concat`, or a call of torch.cat.

    Returns:
        The passage.
    """
    axes = {source.axis for source in step.sources}
    axis = step.operation.integer("axis") - 1
    if len(axes) > 1:
        return whole(step, "joins channels of different axes")
    num_channels = step.shape[next(iter(axes))]
    if axis not in axes:
        return Passage(axis=axes.pop(), links=(same(num_channels),) * len(step.sources))
    links: list[Link] = []
    start = 0
    for source in step.sources:
        sources = np.full(num_channels, -1)
        sources[start : start + source.num_channels] = np.arange(source.num_channels)
        links.append(taking(sources, source.num_channels))
        start += source.num_channels
    return Passage(axis=axis, links=tuple(links))


def stacking(step: Step) -> Passage:
    """Inputs beside one another on a new axis.

    Args:
        step: A call of torch.stack.

    Returns:
        The passage.
    """
    dim = step.argument("dim", 1, 0)
    assert isinstance(dim, int)
    new = dim % (len(step.shape) + 1) - 1
    axes = {source.axis + (new <= source.axis) for source in step.sources}
    if len(axes) > 1 or new < 0:
        return whole(step, "joins channels of different axes")
    axis = axes.pop()
    return Passage(axis=axis, links=(same(step.shape[axis]),) * len(step.sources))


def gated_linear_unit(step: Step) -> Passage:
    """Output i takes channel i of the first half and of the second.

    Args:
        step: A `GLU`, or a call of F.glu.

    Returns:
        The passage.
    """
    (source,) = step.sources
    if source.num_channels == step.shape[source.axis]:
        return Passage(axis=source.axis, links=(same(source.num_channels),))
    first = np.arange(source.num_channels // 2)
    halves = np.stack([first, first + len(first)], axis=1)
    return Passage(axis=source.axis, links=(taking(halves, source.num_channels),))


def selection(step: Step) -> Passage:
    """Channel i takes the channel that was picked to place i.

    Args:
        step: A `Select`.

    Returns:
        The passage.
    """
    (source,) = step.sources
    axis = step.operation.integer("axis") - 1
    if source.axis != axis:
        return whole(step)
    channels = np.array(step.operation.integers("channels"), dtype=np.int64)
    return Passage(axis=axis, links=(taking(channels, source.num_channels),))


def constant(step: Step) -> Passage:
    """Takes no channel of the tensor that gives its size.

    Args:
        step: A `Constant`.

    Returns:
        The passage.
    """
    axis = step.operation.integer("axis") - 1
    nothing = np.full((step.shape[axis], 1), -1, dtype=np.int64)
    return Passage(axis=axis, links=tuple(Link(sources=nothing, num_inputs=s.num_channels) for s in step.sources))
