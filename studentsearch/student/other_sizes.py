"""For which sizes of images plain layers answer as their network does: both are asked about some."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from io import StringIO

import torch
from torch import Tensor, nn

from studentsearch.student.check import largest_difference

TOLERANCE = 1e-4
"""In float32, relative to the largest logit; kernels may differ between a function and its layer."""
_STEPS = (1, 2, 4, 8, 16, 32)
_ADDED = ((1, 1, 1), (1, 2, 3), (2, 1, 2), (2, 2, 1), (3, 4, 1), (5, 3, 4), (-1, -1, -1), (-1, -2, -1), (-2, 1, 2))
"""Steps added to the axes of positions: square and not, an axis longer and shorter, so that what coincides by chance
at the traced size is apart."""
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
    return next(
        (step for step in _STEPS if all(_holds(module, plain, shapes) for shapes in _other(input_shapes, step))), 0
    )


def random_images(module: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    """A few images of each shape, of the module's own precision, always the same."""
    generator = torch.Generator().manual_seed(0)
    parameter = next(module.parameters(), None)
    dtype, device = (torch.float32, None) if parameter is None else (parameter.dtype, parameter.device)
    return [torch.randn(_IMAGES, *shape, generator=generator).to(device, dtype) for shape in shapes]


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


def _other(input_shapes: tuple[tuple[int, ...], ...], step: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Shapes that are tried: two near the traced ones, and some near small ones that a multiple of 32 is taken from."""
    near = ((step,) * 3, (_STEPS[-1],) * 3)
    for added in near:
        yield tuple(_shifted(shape, added) for shape in input_shapes)
    small = tuple(
        (shape[0], *(size - _STEPS[-1] * max((size - 1) // _STEPS[-1] - 1, 0) for size in shape[1:]))
        for shape in input_shapes
    )
    for added in _ADDED if step > 1 or small != input_shapes else _ADDED[1:]:
        shapes = tuple(_shifted(shape, tuple(step * steps for steps in added)) for shape in small)
        if all(size > 0 for shape in shapes for size in shape):
            yield shapes


def _small(size: int) -> int:
    """A size up to 64 that differs by a multiple of every step: images of it are answered soon."""
    return size - _STEPS[-1] * max((size - 1) // _STEPS[-1] - 1, 0)


def _shifted(shape: tuple[int, ...], added: tuple[int, ...]) -> tuple[int, ...]:
    more = (*added, *([added[-1]] * len(shape)))
    return (shape[0], *(size + one for size, one in zip(shape[1:], more, strict=False)))


def _holds(module: nn.Module, plain: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> bool:
    """Whether both answer alike, or the network itself takes no such images; what they print is not shown."""
    images = random_images(module, shapes)
    with redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = answers(module, images)
        except Exception:  # whatever it raises, it takes no such images
            return True
        try:
            found = answers(plain, images)
        except Exception:  # sizes that do not fit raise many errors
            return False
    return largest_difference(expected, found) <= TOLERANCE
