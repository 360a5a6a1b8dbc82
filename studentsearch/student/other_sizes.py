"""For which sizes of images plain layers answer as their network does: both are asked about some."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from io import StringIO
from itertools import islice, product

import torch
from torch import Tensor, nn

from studentsearch.student.blank import blank_images
from studentsearch.student.check import largest_difference

TOLERANCE = 1e-4
"""In float32, relative to the largest logit; kernels may differ between a function and its layer."""
_STEPS = (1, 2, 4, 8, 16, 32)
_ADDED = ((1, 1, 1), (1, 2, 3), (2, 1, 2), (2, 2, 1), (3, 4, 1), (5, 3, 4), (-1, -1, -1), (-1, -2, -1), (-2, 1, 2))
"""Steps added to the axes of positions: square and not, an axis longer and shorter, so that what coincides by chance
at the traced size is apart."""
_ADDED_TO_SOME = (
    *((1, 0, 0), (2, 0, 0), (3, 0, 0), (-1, 0, 0), (0, 1, 0), (0, 2, 0), (0, 3, 0), (0, -1, 0)),
    *((0, 0, 1), (0, 0, 2), (0, 0, -1), (0, 1, 2), (1, 0, 2), (2, 1, 0)),
)
"""For networks that ask for the length of an axis, as linear layers of positions do."""
_OF_ONE = ((0, 1, 2), (0, 1), (0,), (1,), (2,))
"""Axes that are one long together: there torch repeats what it would otherwise take as it is."""
_LARGEST_OF_MANY, _MANY = 12, 200
_IMAGES = 2  # of a single one some norms leave nothing


def size_step(module: nn.Module, plain: nn.Module, input_shapes: tuple[tuple[int, ...], ...]) -> int:
    """The smallest step of sizes for which the plain layers answer as the network does.

    Args:
        module: The network.
        plain: The same as plain layers.
        input_shapes: The shape of one image an input, for which they were made.

    Returns:
        They were found to hold for sizes that differ on each axis by multiples of this; 0 where they do for none.
    """
    return next((step for step in _STEPS if _holds_in_steps(module, plain, input_shapes, step)), 0)


def random_images(module: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    """A few images of each shape, of the module's own precision, always the same."""
    generator = torch.Generator().manual_seed(0)
    blank = blank_images(module, shapes, number=_IMAGES)
    return [torch.randn(image.shape, generator=generator).to(image) for image in blank]


@torch.no_grad()
def answers(module: nn.Module, images: Sequence[Tensor]) -> object:
    """What a module answers in evaluation mode; neither it nor the images are changed."""
    was_training = module.training
    try:
        # Copies, since a network may write into its images and the next one is asked about the same.
        answer: object = module.eval()(*(image.clone() for image in images))
        return answer
    finally:
        module.train(was_training)


def _holds_in_steps(module: nn.Module, plain: nn.Module, shapes: tuple[tuple[int, ...], ...], step: int) -> bool:
    """Whether both answer alike for sizes that differ by multiples of a step.

    A network that refuses some larger images is asked about more sizes: it names some, and takes others by chance.
    Where it takes its own size alone, there is no other for which the layers would not hold.

    Args:
        module: The network.
        plain: The same as plain layers.
        shapes: The shape of one image an input, for which they were made.
        step: Above 1 at least one other size must be taken.

    Returns:
        False as soon as one size differs.
    """
    is_taken = False
    for tried in (_other(shapes, step, _ADDED), _other(shapes, step, _ADDED_TO_SOME), _many(shapes, step)):
        is_refusing = False
        for other in tried:
            is_alike = _is_alike(module, plain, other)
            if is_alike is False:
                return False
            is_taken |= is_alike is not None
            is_refusing |= is_alike is None and _is_larger(other, shapes)
        if not is_refusing:
            return True
    return is_taken or step == 1


def _is_larger(other: tuple[tuple[int, ...], ...], shapes: tuple[tuple[int, ...], ...]) -> bool:
    return all(one >= size for pair in zip(other, shapes, strict=True) for one, size in zip(*pair, strict=True))


def _many(input_shapes: tuple[tuple[int, ...], ...], step: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Shapes with the axes of positions exchanged, and of small images all that are not much larger."""
    yield tuple((shape[0], *reversed(shape[1:])) for shape in input_shapes)
    largest = max((size for shape in input_shapes for size in shape[1:]), default=0)
    if largest <= _LARGEST_OF_MANY and len({shape[1:] for shape in input_shapes}) == 1:
        sizes = [range(size % step or step, size + 5 * step, step) for size in input_shapes[0][1:]]
        for places in islice(product(*sizes), _MANY):
            yield tuple((shape[0], *places) for shape in input_shapes)


def _other(
    input_shapes: tuple[tuple[int, ...], ...], step: int, added: tuple[tuple[int, ...], ...]
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Shapes that are tried: two near the traced ones, and some near small ones that a multiple of 32 is taken from."""
    small = tuple((shape[0], *map(_small, shape[1:])) for shape in input_shapes)
    tried = [tuple(_shifted(shape, (more,) * 3) for shape in input_shapes) for more in (step, _STEPS[-1])]
    tried += [tuple(_shifted(shape, tuple(step * steps for steps in each)) for shape in small) for each in added]
    tried += [tuple(_with_ones(shape, axes, step) for shape in input_shapes) for axes in _OF_ONE]
    for shapes in dict.fromkeys(tried):
        if shapes != input_shapes and all(size > 0 for shape in shapes for size in shape):
            yield shapes


def _with_ones(shape: tuple[int, ...], axes: tuple[int, ...], step: int) -> tuple[int, ...]:
    """One position long on some axes, where that differs by a multiple of the step."""
    return (shape[0], *(1 if axis in axes and size % step == 1 % step else size for axis, size in enumerate(shape[1:])))


def _small(size: int) -> int:
    """A size up to 64 that differs by a multiple of every step: images of it are answered soon."""
    return size - _STEPS[-1] * max((size - 1) // _STEPS[-1] - 1, 0)


def _shifted(shape: tuple[int, ...], added: tuple[int, ...]) -> tuple[int, ...]:
    more = (*added, *([added[-1]] * len(shape)))
    return (shape[0], *(size + one for size, one in zip(shape[1:], more, strict=False)))


def _is_alike(module: nn.Module, plain: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> bool | None:
    """Whether both answer alike, None where the network itself takes no such images; what they print is not shown."""
    images = random_images(module, shapes)
    with redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = answers(module, images)
        except Exception:  # whatever it raises, it takes no such images
            return None
        try:
            found = answers(plain, images)
        except Exception:  # sizes that do not fit raise many errors
            return False
    return largest_difference(expected, found) <= TOLERANCE
