"""What a layer makes of the positions of an image, written down as the windows of `layers.Constant`."""

from __future__ import annotations

from studentsearch.graph.network import Argument, Node
from studentsearch.graph.operations.operation_record import Family
from studentsearch.graph.operations.table import is_of

_WIDER_THAN_IMAGES = 2**20


def window_of(node: Node) -> Argument:
    """The window of a convolution or pooling.

    Args:
        node: One whose positions are all axes but the first.

    Returns:
        Kernels, strides, paddings and dilations, one number an axis each, and how it rounds.
    """
    arguments, axes = node.operation.arguments, len(node.shape) - 1
    if node.operation.kind.startswith("Adaptive"):
        given = arguments["output_size"]
        asked = given if isinstance(given, tuple) else (given,) * axes
        return window_to(tuple(size if isinstance(size, int) else None for size in asked))
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


def window_to(sizes: tuple[int | None, ...]) -> Argument:
    """A window that makes `sizes` of an image of any size; None leaves an axis as it is."""
    # kernel 1, a stride wider than images, padding to match
    ones = (1,) * len(sizes)
    strides = tuple(1 if size is None else _WIDER_THAN_IMAGES for size in sizes)
    paddings = tuple(0 if size is None else (size - 1) * _WIDER_THAN_IMAGES // 2 for size in sizes)
    return (*ones, *strides, *paddings, *ones, 0)


def size_of(stride: int, padding: int) -> int | None:
    """The size that an axis of `window_to` makes, None where it is another window."""
    return 2 * padding // stride + 1 if stride == _WIDER_THAN_IMAGES else None


def is_same_for_all(window: Argument) -> bool:
    """Whether a window makes the same of images of every size."""
    assert isinstance(window, tuple)
    axes = len(window) // 4
    return all(stride == _WIDER_THAN_IMAGES for stride in window[axes : 2 * axes])


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
