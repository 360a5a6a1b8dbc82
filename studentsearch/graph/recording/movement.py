"""What moves data without computing (reshape, permute, chunk, slicing, shuffles): followed entry by entry.

Such an operation is run on the numbers of its input's entries. Where a chain of them only picks channels it becomes one
`Select`; what else it does is kept, and the numbers say which channels the new ones hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.arguments import BATCH, INPUT, Argument
from studentsearch.graph.dependencies import Indices
from studentsearch.graph.network import Node, Operation, call
from studentsearch.graph.operations.movements import channels_of, numbers, run
from studentsearch.graph.operations.propagation import Applied
from studentsearch.graph.operations.table import movement_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moved:
    """A tensor that is a node's entries, moved.

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
    if parent is None or not movement_of(parent.operation).permutes:
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


def picked_channels(base: Node, entries: Tensor) -> Indices | None:
    """The channels that a chain of movements picks, None where it does anything else.

    Args:
        base: The node whose entries were moved.
        entries: `[1, ...]`, their numbers in the new order.

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
    channels = channels_of(rows[:, 0], base)
    # Sizes may coincide (C = H = W), so every entry must stand where it stands in the channel that it is said to be of.
    rows_of_base = _rows(numbers(base.shape)[0], axis)
    expected = torch.where(channels[:, None] >= 0, rows_of_base[channels.clamp(min=0)], -1)
    return channels.numpy() if torch.equal(rows, expected) else None


def picks_at_every_size(value: Moved, channels: Indices) -> bool:
    """Whether a chain of movements that picks channels of images of one size does so of larger ones.

    An exchange of two axes of size 1, or a part that is all of the axis, changes nothing at this size alone.

    Args:
        value: What was moved.
        channels: What `picked_channels` found.

    Returns:
        True also where the movements name sizes, so that nothing can be said of others.
    """
    base = value.base
    shape = tuple(size if axis == base.axis else size + 1 + axis for axis, size in enumerate(base.shape))
    larger = replace(base, shape=shape)
    try:
        entries = _run_all(value, numbers(shape))
    except (IndexError, RuntimeError):
        return True
    picked = picked_channels(larger, entries)
    return picked is not None and np.array_equal(picked, channels)


def _run_all(value: Moved, entries: Tensor) -> Tensor:
    return run(value.operation, entries if value.parent is None else _run_all(value.parent, entries))


def _rows(entries: Tensor, axis: int) -> Tensor:
    """The entries with one row for every index of an axis: `[size of the axis, all others]`."""
    return entries.movedim(axis, 0).reshape(entries.shape[axis], -1)


def regrouping(operation: Operation, source: Node, after: tuple[int, ...]) -> tuple[Operation, ...]:
    """A movement that joins or splits axes as calls that name these.

    Args:
        operation: The movement; one that names its axes keeps them, whatever other axes would do at this size.
        source: The node that it reads.
        after: Its shape without the batch.

    Returns:
        Calls of torch.flatten and torch.unflatten, in order.
    """
    applied, rank, arguments = (
        Applied(operation=operation, sources=(), shape=after),
        len(source.shape) + 1,
        operation.arguments,
    )
    match operation.name:
        case "torch.flatten" | "Flatten":
            is_call = operation.kind == "Call"
            start = applied.argument("start_dim", 1, 0) if is_call else arguments["start_dim"]
            end = applied.argument("end_dim", 2, -1) if is_call else arguments["end_dim"]
            assert isinstance(start, int)
            assert isinstance(end, int)
            if start % rank:
                joins = start % rank < end % rank
                return (call("torch.flatten", (INPUT, 0), start % rank, end % rank),) if joins else ()
        case "torch.unflatten" | "Unflatten":
            is_call = operation.kind == "Call"
            axis = applied.argument("dim", 1) if is_call else arguments["dim"]
            sizes = applied.argument("sizes", 2) if is_call else arguments["unflattened_size"]
            if isinstance(axis, int) and axis % rank and isinstance(sizes, tuple):
                axis = axis % rank
                known = after[axis - 1 : axis - 1 + len(sizes)]
                split = call("torch.unflatten", (INPUT, 0), axis, known if axis == source.axis + 1 else sizes)
                return (split,) if len(sizes) > 1 else ()
        case _:
            pass
    return regrouped(source.shape, after)


def regrouped(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[Operation, ...]:
    """A reshape as the axes that it joins and splits, which holds for images of other sizes as well.

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
    """A split of positions that leaves the first size open, so that it holds for images of other sizes.

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
    return operation if -1 in sizes else call("torch.unflatten", tensor, axis, (-1, *sizes[1:]))


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


def moves_batch(argument: Argument) -> bool:
    """Whether an argument holds a multiple of the batch size above one."""
    if not isinstance(argument, tuple):
        return False
    match argument:
        case (mark, int(times)) if mark == BATCH:
            return times != 1
        case _:
            return any(moves_batch(item) for item in argument)
