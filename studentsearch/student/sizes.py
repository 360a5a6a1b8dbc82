"""The size of a constant: the nearest tensor before it that is computed, and how its size follows from that one's."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from studentsearch.graph.network import Argument, Network, Node
from studentsearch.graph.operations.movements import numbers, run
from studentsearch.graph.operations.operation_record import Family
from studentsearch.graph.operations.propagation import Applied, num_spatial_axes
from studentsearch.graph.operations.reduction import reduced_axes
from studentsearch.graph.operations.table import is_elementwise, is_movement, is_of

_WIDER_THAN_PICTURES = 2**20
_WINDOWED = (Family.CONVOLUTION, Family.TRANSPOSED_CONVOLUTION, Family.POOLING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Where a constant has its size from.

    Attributes:
        anchor: Index of a node that the student computes.
        windows: What makes the constant's positions of the anchor's, one entry a layer passed (see `layers.Constant`).
        sizes: The positions themselves where no windows tell them; they hold for pictures of the traced size.
        made_for: The anchor's positions for which `sizes` hold.
    """

    anchor: int
    windows: tuple[Argument, ...] = ()
    sizes: tuple[int, ...] = ()
    made_for: tuple[int, ...] = ()


def constant_size(network: Network, node: Node, computed: frozenset[int]) -> Size:
    """The nearest tensor before a node that is computed, and how the node's size follows from its size.

    Args:
        network: The network of `node`.
        node: A node that is a constant.
        computed: Indices of the nodes that the student computes.

    Returns:
        That tensor and the way from its size; a fixed size and the image where a layer on the way tells none.
    """
    windows: list[Argument] = []
    source = node
    while source.index not in computed:
        passed = _windows(network, source) if len(node.shape) > 1 else []
        if passed is None or not source.inputs:
            ends = [place for place, window in enumerate(windows) if _is_same_for_all(window)]
            if ends and len(network.nodes[0].shape) >= len(node.shape):
                return Size(anchor=0, windows=tuple(windows[ends[-1] :]))
            return Size(anchor=0, sizes=positions(node), made_for=positions(network.nodes[0]))
        windows[:0] = passed
        source = _of_the_size(network, source, computed)
    return Size(anchor=source.index, windows=tuple(windows))


def positions(node: Node) -> tuple[int, ...]:
    """The sizes of a node's axes but that of channels."""
    return (*node.shape[: node.axis], *node.shape[node.axis + 1 :])


def may_be_repeated(network: Network, node: Node) -> bool:
    """Whether an input of a node's size may be repeated to that of another input in images of other sizes.

    Args:
        network: The network of `node`.
        node: Any node.

    Returns:
        True where several inputs have an axis of size 1, of which some may be longer for other images.
    """
    if not (is_elementwise(node.operation) or node.operation.name == "Tensor.type_as") or 1 not in positions(node):
        return False
    inputs = [network.nodes[index] for index in set(node.inputs)]
    return sum(_has_positions(node, item) and item.operation.kind != "Parameter" for item in inputs) > 1


def _of_the_size(network: Network, node: Node, computed: frozenset[int]) -> Node:
    """The input that a node has its size from: of several one that is not repeated, best one that is computed."""
    inputs = [network.nodes[index] for index in node.inputs]
    same_size = [item for item in inputs if _has_positions(node, item) and item.operation.kind != "Parameter"]
    choices = same_size or inputs
    return next((item for item in choices if item.index in computed), choices[0])


def _windows(network: Network, node: Node) -> list[Argument] | None:
    """The windows of one node, None where its positions do not follow from those of an input by windows."""
    arguments, kind, name = node.operation.arguments, node.operation.kind, node.operation.name
    if kind == "Constant":
        given = arguments["windows"]
        return list(given) if isinstance(given, tuple) and not arguments["sizes"] else None
    inputs = [network.nodes[index] for index in node.inputs]
    if is_of(node.operation, *_WINDOWED) and arguments.get("padding") != "same":
        has_channels_first = node.axis == inputs[0].axis == 0 and len(node.shape) == (num_spatial_axes(kind) or 0) + 1
        return [_window(node)] if has_channels_first else None
    if is_of(node.operation, Family.RESIZING) or may_be_repeated(network, node):
        return None
    if is_movement(node.operation):
        return [] if positions(inputs[0]) == positions(node) and _keeps_order(node, inputs[0]) else None
    # An axis of size 1 that is summed over stays one only here: in images of other sizes it may be longer before.
    may_change = is_of(node.operation, Family.PRODUCT, Family.REDUCTION)
    if not may_change and any(_has_positions(node, item) for item in inputs):
        return []
    before, after = positions(inputs[0]), positions(node)
    if inputs[0].axis != node.axis or len(before) != len(after):
        return None
    if is_of(node.operation, Family.REDUCTION):
        reduced = reduced_axes(Applied(operation=node.operation, sources=(inputs[0],), shape=node.shape))
        kept = [axis for axis in range(len(node.shape)) if axis != node.axis]
        return [_window_to(tuple(1 if axis in reduced else None for axis in kept))]
    if "Pad" in kind or name.endswith(".pad"):
        cut_off = [old - new for old, new in zip(before, after, strict=True)]
        ones = (1,) * len(cut_off)
        return [(*ones, *ones, *cut_off, *ones, 2)]
    return None


def _has_positions(node: Node, source: Node) -> bool:
    """Whether a node has the positions of one of its inputs: the sizes of other axes may be the same by chance."""
    return source.axis == node.axis and positions(source) == positions(node)


def _window(node: Node) -> Argument:
    arguments, axes = node.operation.arguments, len(positions(node))
    if node.operation.kind.startswith("Adaptive"):
        given = arguments["output_size"]
        asked = given if isinstance(given, tuple) else (given,) * axes
        return _window_to(tuple(size if isinstance(size, int) else None for size in asked))
    padding = arguments.get("padding", 0)
    kernels, strides, paddings, dilations = (
        per_axis(value, axes)
        for value in (
            arguments["kernel_size"],
            arguments["stride"],
            0 if padding == "valid" else padding,
            arguments.get("dilation", 1),
        )
    )
    rounding = int(arguments.get("ceil_mode") is True)
    if is_of(node.operation, Family.TRANSPOSED_CONVOLUTION):
        added = node.operation.integers("output_padding")
        rounding, paddings = 2, tuple(2 * one - more for one, more in zip(paddings, added, strict=True))
    return (*kernels, *strides, *paddings, *dilations, rounding)


def _keeps_order(node: Node, source: Node) -> bool:
    """Whether a movement leaves all positions where they are, in images of this size and of others."""
    # The shape tells nothing of an exchange of equal sizes, and the entries nothing of one of axes of size 1.
    larger = tuple(size if axis == source.axis else size + 1 + axis for axis, size in enumerate(source.shape))
    for shape in (source.shape, larger):
        entries = numbers(shape)
        try:
            moved = run(node.operation, entries)[0]
        except RuntimeError:  # sizes that the movement names
            return False
        before = entries[0].movedim(source.axis, 0)[0]
        after = moved.movedim(node.axis, 0)[0] if moved.dim() > node.axis else moved
        if after.shape != before.shape or not torch.equal(after - after.flatten()[0], before):
            return False
    return True


def per_axis(value: Argument, axes: int) -> tuple[int, ...]:
    """An argument with one integer an axis.

    Args:
        value: An integer for all axes, or one for each.
        axes: How many.

    Returns:
        `axes` integers.
    """
    values = value if isinstance(value, tuple) else (value,) * axes
    return tuple(item for item in values if isinstance(item, int))


def _window_to(sizes: tuple[int | None, ...]) -> Argument:
    """A window that makes `sizes` of a picture of any size; None leaves an axis as it is."""
    # kernel 1, a stride wider than pictures, padding to match
    ones = (1,) * len(sizes)
    strides = tuple(1 if size is None else _WIDER_THAN_PICTURES for size in sizes)
    paddings = tuple(0 if size is None else (size - 1) * _WIDER_THAN_PICTURES // 2 for size in sizes)
    return (*ones, *strides, *paddings, *ones, 0)


def _is_same_for_all(window: Argument) -> bool:
    """Whether a window makes the same of pictures of every size."""
    assert isinstance(window, tuple)
    axes = len(window) // 4
    return all(stride == _WIDER_THAN_PICTURES for stride in window[axes : 2 * axes])
