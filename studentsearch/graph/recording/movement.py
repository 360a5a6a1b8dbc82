"""What moves data without computing (reshape, permute, chunk, slicing, shuffles): followed entry by entry.

Such an operation is run on the numbers of its input's entries. Where a chain of them only picks channels it becomes one
`Select`; what else it does is kept, and the numbers say which channels the new ones hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.arguments import BATCH, INPUT, Argument, decode, resolve
from studentsearch.graph.links import Indices, all_of, taking
from studentsearch.graph.network import Node, Operation, call
from studentsearch.graph.passages import Passage
from studentsearch.graph.recording.describe import layer_class, make_layer

_REGROUPING = frozenset({"torch.reshape", "Tensor.reshape", "Tensor.view_as", "Tensor.reshape_as"}) | {
    "torch.flatten",
    "torch.unflatten",
}
_PERMUTING = frozenset({
    *("torch.permute", "torch.transpose", "torch.swapaxes", "torch.swapdims", "torch.movedim", "torch.moveaxis"),
})
_COMMUTING = _PERMUTING | frozenset({
    *("torch.squeeze", "torch.unsqueeze", "torch.flatten", "torch.unflatten", "torch.t", "Flatten", "Unflatten"),
    *("torch.pixel_shuffle", "torch.pixel_unshuffle", "PixelShuffle", "PixelUnshuffle"),
})
_INDEXING = frozenset({
    *("operator.getitem", "torch.narrow", "torch.select", "torch.flip", "torch.roll", "torch.channel_shuffle"),
    *("Tensor.expand", "Tensor.repeat", "torch.tile", "torch.repeat_interleave", "ChannelShuffle"),
    *("torch.broadcast_to", "torch.rot90", "torch.fliplr", "torch.flipud", "torch.index_select"),
})
PIECES = frozenset({"torch.chunk", "torch.split", "torch.tensor_split", "torch.unbind", "torch.split_with_sizes"})
MOVEMENTS = _REGROUPING | _COMMUTING | _INDEXING | {"Flatten", "Unflatten"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moved:
    """A tensor that is a node's entries in other places.

    Attributes:
        base: The node.
        entries: `[1, ...]` of the tensor's shape: for each entry its number in the node, -1 for a zero.
        operation: The last movement.
        parent: The tensor before it, None where that is the node itself.
    """

    base: Node
    entries: Tensor
    operation: Operation
    parent: Moved | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape without the batch."""
        return tuple(self.entries.shape[1:])


def with_batch_first(moved: Moved) -> Moved:
    """The same tensor by movements that leave the batch first, where it was taken out of a permutation that does not.

    `x.permute(2, 0, 3, 1, 4)[i]`, as attention splits its queries, keys and values, is a selection and a permutation.

    Args:
        moved: Any moved tensor.

    Returns:
        One whose parent has the batch first; `moved` itself where that needs no change or cannot be had.
    """
    parent = moved.parent
    if parent is None or parent.operation.name not in _PERMUTING:
        return moved
    before = numbers(parent.base.shape) if parent.parent is None else parent.parent.entries
    order = run(parent.operation, torch.empty(*range(2, before.dim() + 2))).shape
    first, *rest = (size - 2 for size in order)
    arguments = moved.operation.arguments.get("arguments")
    match moved.operation.name, arguments:
        case ("torch.select", (_, 0, int(index))) | ("operator.getitem", (_, int(index))) if rest[0] == 0 != first:
            pass
        case _:
            return moved
    select = call("torch.select", (INPUT, 0), first, index)
    chosen = Moved(base=moved.base, entries=run(select, before), operation=select, parent=parent.parent)
    permute = call("torch.permute", (INPUT, 0), tuple(axis - (axis > first) for axis in rest))
    return Moved(base=moved.base, entries=run(permute, chosen.entries), operation=permute, parent=chosen)


def numbers(shape: tuple[int, ...]) -> Tensor:
    """The entries of a tensor of one image, numbered: `[1, *shape]`."""
    return torch.arange(math.prod(shape)).reshape(1, *shape)


def run(operation: Operation, entries: Tensor) -> Tensor:
    """A movement, done to numbers.

    Args:
        operation: One of `MOVEMENTS`, or a call of F.pad.
        entries: `[1, ...]`.

    Returns:
        The moved numbers.
    """
    if layer_class(operation.kind) is not None:
        return cast(Tensor, make_layer(operation)(entries))
    arguments = cast(tuple[object, ...], decode(operation.arguments["arguments"], [entries], 1))
    options = operation.arguments["options"]
    assert isinstance(options, tuple)
    named = {str(item[0]): decode(item[1], [entries], 1) for item in options if isinstance(item, tuple)}
    if operation.name.endswith(".pad"):
        named["value"] = -1
    return cast(Tensor, resolve(operation.name)(*arguments, **named))


def picked_channels(base: Node, entries: Tensor) -> Indices | None:
    """The channels that a chain of movements picks, None where it does anything else.

    Args:
        base: The node whose entries were moved.
        entries: `[1, ...]`, their numbers in the new places.

    Returns:
        `[C']` indices on the node's axis of channels, -1 for zeros.
    """
    axis = base.axis
    others = [size for position, size in enumerate(base.shape) if position != axis]
    if entries.dim() != len(base.shape) + 1 or entries.shape[0] != 1:
        return None
    if [size for position, size in enumerate(entries.shape[1:]) if position != axis] != others:
        return None
    rows = _rows(entries[0], axis)
    channels = _channels_of(rows[:, 0], base)
    # Sizes may coincide (C = H = W), so every entry must stand where it stands in the channel that it is said to be of.
    whole = _rows(numbers(base.shape)[0], axis)
    expected = torch.where(channels[:, None] >= 0, whole[channels.clamp(min=0)], -1)
    return channels.numpy() if torch.equal(rows, expected) else None


def _rows(entries: Tensor, axis: int) -> Tensor:
    """The entries with one row for every index of an axis: `[size of the axis, all others]`."""
    return entries.movedim(axis, 0).reshape(entries.shape[axis], -1)


def _channels_of(entries: Tensor, base: Node) -> Tensor:
    """The channel of a node that each entry belongs to, -1 for a zero."""
    stride = math.prod(base.shape[base.axis + 1 :])
    return torch.where(entries >= 0, entries // stride % base.num_channels, -1)


def passage(operation: Operation, source: Node, entries: Tensor) -> Passage:
    """How channels pass through one movement that does more than pick channels.

    Args:
        operation: The movement.
        source: The node that it reads.
        entries: `[1, ...]`, the source's numbers in their new places.

    Returns:
        The passage; whole where what is left of the channels could not be moved by the same words.
    """
    labels = _channels_of(entries, source)[0]
    axis, sources = _finest_axis(labels.numpy(), entries[0].numpy())
    if sources is not None:
        link = taking(sources, source.num_channels)
        if operation.name in _COMMUTING or link.is_identity:
            return Passage(axis=axis, links=(link,))
    num_channels = labels.shape[0] if labels.dim() else 1
    return Passage(
        axis=0,
        links=(all_of(source.num_channels, num_channels),),
        ties=np.zeros(num_channels, dtype=np.int64),
        whole="picks channels in a way that is not followed",
    )


def _finest_axis(labels: Indices, entries: Indices) -> tuple[int, Indices | None]:
    """The longest axis whose slices hold one label each, or else labels that no other slice holds; and these labels."""
    num_labels = len(np.unique(labels))
    best: tuple[int, Indices | None] = (0, None)
    for axis, size in enumerate(labels.shape):
        rows = np.sort(np.moveaxis(labels, axis, 0).reshape(size, -1), axis=1)
        is_new = np.ones_like(rows, dtype=np.bool_)
        is_new[:, 1:] = rows[:, 1:] != rows[:, :-1]
        counts = is_new.sum(axis=1)
        if not np.all(counts == counts[0]) or (counts[0] > 1 and counts.sum() != num_labels):
            continue
        held = rows[is_new].reshape(size, -1)
        if num_labels == 1 and size > 1 and not _is_repeated(np.moveaxis(entries, axis, 0).reshape(size, -1)):
            continue
        if best[1] is None or (-held.shape[1], size) > (-best[1].shape[1], len(best[1])):
            best = (axis, held)
    return best


def _is_repeated(rows: Indices) -> bool:
    """Whether all slices hold the same entries: one channel that is repeated, not the positions of one channel."""
    return bool((np.sort(rows, axis=1) == np.sort(rows[:1], axis=1)).all())


def regrouped(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[Operation, ...]:
    """A reshape as the axes that it joins and splits, which holds for pictures of other sizes as well.

    Args:
        before: Shape without the batch.
        after: Shape without the batch, as many entries.

    Returns:
        Calls of torch.flatten and torch.unflatten, in order.
    """
    calls: list[Operation] = []
    end_before, end_after = len(before), len(after)
    for start_before, start_after in reversed(_groups(before, after)):
        olds, news = before[start_before:end_before], after[start_after:end_after]
        if len(olds) > 1:
            calls.append(call("torch.flatten", (INPUT, 0), start_before + 1, end_before))
        if len(news) > 1:
            calls.append(call("torch.unflatten", (INPUT, 0), start_before + 1, news))
        end_before, end_after = start_before, start_after
    return tuple(calls)


def of_any_size(operation: Operation, source: Node) -> Operation:
    """A split of positions that leaves the first size open, so that it holds for pictures of other sizes.

    `x.view(b, c, h // 4, 4, w // 4, 4)` splits into as many parts of four as there are.

    Args:
        operation: A call of torch.flatten or torch.unflatten.
        source: The node that it reads.

    Returns:
        The same call where it splits channels or joins axes.
    """
    arguments = operation.arguments["arguments"]
    assert isinstance(arguments, tuple)
    if operation.name != "torch.unflatten" or arguments[1] == source.axis + 1:
        return operation
    tensor, axis, sizes = arguments
    assert isinstance(sizes, tuple)
    return call("torch.unflatten", tensor, axis, (-1, *sizes[1:]))


def _groups(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[int, int]]:
    """Where each pair of runs of axes with equal products starts; axes of size 1 at the end join the last pair."""
    starts: list[tuple[int, int]] = []
    i = j = 0
    while i < len(before) and j < len(after):
        starts.append((i, j))
        old, new = before[i], after[j]
        i, j = i + 1, j + 1
        while old != new:
            if old < new:
                old, i = old * before[i], i + 1
            else:
                new, j = new * after[j], j + 1
    return starts


def is_regrouping(operation: Operation) -> bool:
    """Whether a movement only joins and splits axes."""
    return operation.name in _REGROUPING or operation.kind in {"Flatten", "Unflatten"}


def moves_batch(argument: Argument) -> bool:
    """Whether an argument holds a multiple of the batch size above one."""
    if not isinstance(argument, tuple):
        return False
    match argument:
        case (mark, int(times)) if mark == BATCH:
            return times != 1
        case _:
            return any(moves_batch(item) for item in argument)
