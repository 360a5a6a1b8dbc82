"""What moves data without computing: reshape, permute, chunk, slicing, shuffles.

Their rule runs them on the numbers of their input's entries, so that these say which channels the new ones hold; sizes,
which may be the same by chance (C = H = W), decide nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.arguments import decode, resolve
from studentsearch.graph.dependencies import Indices, all_of, taking
from studentsearch.graph.layer_classes import layer_class, make_layer
from studentsearch.graph.network import Node, Operation
from studentsearch.graph.operations.constants import MOVED
from studentsearch.graph.operations.operation_record import Family, Movement, OperationRecord, RecordedAs, ungated
from studentsearch.graph.operations.propagation import Applied, Propagation
from studentsearch.graph.operations.shrinking import Left, Shrinking

_F = "torch.nn.functional."
_REGROUPING = "torch.reshape Tensor.reshape Tensor.view_as Tensor.reshape_as"
_FLATTENING = "torch.flatten Flatten"
_SPLITTING_AXES = "torch.unflatten Unflatten"
_PERMUTING = "permute transpose swapaxes swapdims movedim moveaxis"
_COMMUTING = "torch.squeeze torch.unsqueeze torch.t"
_SHUFFLING = "torch.pixel_shuffle torch.pixel_unshuffle PixelShuffle PixelUnshuffle"
_PICKING = """
    torch.narrow torch.select torch.flip torch.roll torch.channel_shuffle ChannelShuffle torch.rot90 torch.fliplr
    torch.flipud
"""
_PICKING_BY_SIZES = """
    operator.getitem Tensor.expand Tensor.repeat torch.tile torch.repeat_interleave torch.broadcast_to
    torch.index_select
"""
_SPLITTING = "chunk split tensor_split unbind split_with_sizes"
_HOMOGENEOUS = frozenset({
    *("torch.flatten", "torch.unflatten", "torch.permute", "torch.transpose", "torch.squeeze", "torch.unsqueeze"),
    "Flatten",
})
_OF_SIZES = frozenset({"torch.squeeze", "Tensor.expand", "torch.broadcast_to", "Tensor.view_as", "Tensor.reshape_as"})
_PACKING_SIZES = frozenset({"torch.reshape", "torch.permute", "torch.flip", "torch.tile"})


def numbers(shape: tuple[int, ...]) -> Tensor:
    """The entries of a tensor of one image, numbered: `[1, *shape]`."""
    return torch.arange(math.prod(shape)).reshape(1, *shape)


def run(operation: Operation, entries: Tensor) -> Tensor:
    """A movement, done to numbers.

    Args:
        operation: A movement, or a call of F.pad.
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


def channels_of(entries: Tensor, base: Node) -> Tensor:
    """The channel of a node that each of its entries, by number, belongs to; -1 for a zero."""
    stride = math.prod(base.shape[base.axis + 1 :])
    return torch.where(entries >= 0, entries // stride % base.num_channels, -1)


def moving(applied: Applied) -> Propagation:
    """Entries move, nothing is computed: each channel takes those whose entries it holds."""
    (source,) = applied.sources
    entries = run(applied.operation, numbers(source.shape))
    labels = channels_of(entries, source)[0]
    axis, sources = _finest_axis(labels.numpy(), entries[0].numpy())
    if sources is not None:
        dependency = taking(sources, source.num_channels)
        if applied.operation.name in _WITH_SAME_WORDS or dependency.is_identity:
            return Propagation(axis=axis, dependencies=(dependency,))
    num_channels = labels.shape[0] if labels.dim() else 1
    return Propagation(
        axis=0,
        dependencies=(all_of(source.num_channels, num_channels),),
        coupled=np.zeros(num_channels, dtype=np.int64),
        keeps_all="picks channels in a way that is not followed",
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


def _resplit(left: Left) -> Operation:
    """A split of an axis into several, the one of channels with those that are left."""
    node, operation = left.node, left.node.operation
    arguments = operation.arguments["arguments"]
    assert isinstance(arguments, tuple)
    tensor, axis, sizes = arguments
    assert isinstance(axis, int)
    assert isinstance(sizes, tuple)
    position = node.axis + 1 - axis
    if not 0 <= position < len(sizes):
        return operation
    resized = (*sizes[:position], left.num_channels, *sizes[position + 1 :])
    return replace(operation, arguments={**operation.arguments, "arguments": (tensor, axis, resized)})


def _record(name: str, movement: Movement) -> OperationRecord:
    return OperationRecord(
        name=name,
        family=Family.MOVEMENT,
        propagate=moving,
        on_constants=MOVED,
        shrinking=Shrinking(resized=_resplit) if name == "torch.unflatten" else None,
        is_homogeneous=name in _HOMOGENEOUS,
        movement=movement,
        recorded_as=RecordedAs.MOVEMENT_OF_AXES if name in _OF_SIZES else RecordedAs.ITSELF,
        packs_sizes=name in _PACKING_SIZES,
    )


RECORDS = (
    *(_record(name, Movement(regroups=True)) for name in _REGROUPING.split()),
    *(_record(name, Movement(regroups=True, commutes=True)) for name in _FLATTENING.split()),
    *(
        _record(name, Movement(regroups=True, commutes=True, holds_at_every_size=True))
        for name in _SPLITTING_AXES.split()
    ),
    *(
        _record(f"torch.{name}", Movement(permutes=True, commutes=True, holds_at_every_size=True))
        for name in _PERMUTING.split()
    ),
    *(_record(name, Movement(commutes=True, holds_at_every_size=True)) for name in _COMMUTING.split()),
    *(_record(name, Movement(commutes=True)) for name in _SHUFFLING.split()),
    *(_record(name, Movement(holds_at_every_size=True)) for name in _PICKING.split()),
    *(_record(name, Movement()) for name in _PICKING_BY_SIZES.split()),
    *(_record(f"torch.{name}", Movement(splits=True)) for name in _SPLITTING.split()),
    *ungated(f"{_F}{name}" for name in ("channel_shuffle", "pixel_shuffle", "pixel_unshuffle")),
)
_WITH_SAME_WORDS = frozenset(record.name for record in RECORDS if record.movement and record.movement.commutes)
