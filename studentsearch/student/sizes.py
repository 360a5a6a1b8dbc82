"""The size of a constant: the nearest tensor before it that is computed, and how its size follows from that one's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from studentsearch.graph.network import Argument, Network, Node, Operation
from studentsearch.graph.operations.operation_record import Family
from studentsearch.graph.operations.propagation import Applied, num_spatial_axes
from studentsearch.graph.operations.reduction import reduced_axes
from studentsearch.graph.operations.table import has_window, is_of
from studentsearch.student.extents import ExtentsOf
from studentsearch.student.windows import is_same_for_all, window_of, window_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Where a constant has its size from.

    Attributes:
        anchor: Index of a node that the student computes.
        windows: What makes the constant's positions of the anchor's, one entry a layer passed (see `layers.Constant`).
        sizes: The positions themselves where no windows tell them.
        made_for: The anchor's positions for which `sizes` hold; empty where they hold for images of every size.
    """

    anchor: int
    windows: tuple[Argument, ...] = ()
    sizes: tuple[int, ...] = ()
    made_for: tuple[int, ...] = ()


def constant_size(network: Network, extents: ExtentsOf, node: Node, computed: frozenset[int]) -> Size:
    """The nearest tensor before a node that is computed, and how the node's size follows from its size.

    Args:
        network: The network of `node`.
        extents: Its extents.
        node: A node that is a constant.
        computed: Indices of the nodes that the student computes.

    Returns:
        That tensor and the way from its size; a fixed size and the image where no way is known to hold for every size.
    """
    wanted, image = extents.positions(node), network.nodes[0]
    if not extents.is_counted(node):
        return Size(anchor=0, sizes=positions(node), made_for=positions(image))
    for size in (_size_behind(network, extents, node, computed), *_sizes_of_others(network, extents, node, computed)):
        found = extents.behind(extents.positions(network.nodes[size.anchor]), size.windows)
        if found[: len(wanted)] == wanted:
            return size
    is_fixed = all(isinstance(one, int) for one in wanted)
    return Size(anchor=0, sizes=positions(node), made_for=() if is_fixed else positions(image))


def constant_operation(
    node: Node, size: Size, *, num_channels: int, like_axis: int, border: tuple[int, ...]
) -> Operation:
    """The layer that lays a constant out.

    Args:
        node: The node that is a constant.
        size: Where it has its size from.
        num_channels: Its channels that are left.
        like_axis: The axis of channels of the tensor that gives the size, counted with the batch.
        border: For every spatial axis how many positions at either end have numbers of their own.

    Returns:
        A `Constant`.
    """
    arguments: dict[str, Argument] = {
        "num_channels": num_channels,
        "axis": node.axis + 1,
        "rank": len(node.shape) + 1,
        "like_axis": like_axis,
        "windows": size.windows,
        "sizes": size.sizes,
        "made_for": size.made_for,
        **({"border": border} if border else {}),
    }
    return Operation(kind="Constant", arguments=arguments)


def positions(node: Node) -> tuple[int, ...]:
    """The sizes of a node's axes but that of channels."""
    return (*node.shape[: node.axis], *node.shape[node.axis + 1 :])


def _size_behind(network: Network, extents: ExtentsOf, node: Node, computed: frozenset[int]) -> Size:
    """The nearest tensor before a node that is computed, as far as windows lead."""
    windows: list[Argument] = []
    source = node
    while source.index not in computed:
        inputs = [network.nodes[index] for index in source.inputs]
        # Whatever axis has the channels: a constant takes the other sizes alone, in order.
        own = extents.positions(source)
        alike = [item for item in inputs if extents.positions(item) == own and item.operation.kind != "Parameter"]
        passed = [] if alike else _windows(source, inputs)
        if passed is None or not inputs:
            ends = [place for place, window in enumerate(windows) if is_same_for_all(window)]
            return Size(anchor=0, windows=tuple(windows[ends[-1] :] if ends else windows))
        windows[:0] = passed
        choices = alike or inputs
        source = next((item for item in choices if item.index in computed), choices[0])
    return Size(anchor=source.index, windows=tuple(windows))


def _sizes_of_others(network: Network, extents: ExtentsOf, node: Node, computed: frozenset[int]) -> Iterator[Size]:
    """Tensors that are computed and have the node's positions by another way, the nearest first."""
    wanted = extents.positions(node)
    for index in sorted(computed, key=lambda index: abs(index - node.index)):
        if extents.positions(network.nodes[index])[: len(wanted)] == wanted:
            yield Size(anchor=index)


def _windows(node: Node, inputs: list[Node]) -> list[Argument] | None:
    """The windows of one node, None where its positions do not follow from those of its first input by windows."""
    arguments, kind = node.operation.arguments, node.operation.kind
    if kind == "Constant":
        given = arguments["windows"]
        return list(given) if isinstance(given, tuple) and not arguments["sizes"] else None
    if has_window(node.operation) and arguments.get("padding") != "same":
        has_channels_first = node.axis == inputs[0].axis == 0 and len(node.shape) == (num_spatial_axes(kind) or 0) + 1
        return [window_of(node)] if has_channels_first else None
    before, after = (positions(inputs[0]), positions(node)) if inputs else ((), ())
    if not inputs or inputs[0].axis != node.axis or len(before) != len(after):
        return None
    if is_of(node.operation, Family.REDUCTION):
        reduced = reduced_axes(Applied(operation=node.operation, sources=(inputs[0],), shape=node.shape))
        kept = [axis for axis in range(len(node.shape)) if axis != node.axis]
        return [window_to(tuple(1 if axis in reduced else None for axis in kept))]
    if is_of(node.operation, Family.PADDING):
        cut_off = [old - new for old, new in zip(before, after, strict=True)]
        ones = (1,) * len(cut_off)
        return [(*ones, *ones, *cut_off, *ones, 2)]
    return None
