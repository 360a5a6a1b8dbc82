"""Any network as plain torch.nn layers at their original paths: what is searched, cut, counted and distilled."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO

import numpy as np
import torch
from torch import nn

from studentsearch.errors import DivergedError, UnsupportedGraphError
from studentsearch.graph.liveness import liveness
from studentsearch.graph.network import Network
from studentsearch.graph.trace import trace, trace_with_state
from studentsearch.student.build import build_with_weights
from studentsearch.student.check import largest_difference
from studentsearch.student.slice import Cut, cut
from studentsearch.student.wellformed import spec_problem

_ADDED = (1, 2, 4, 8, 16, 32)  # pixels a side, to see for which other sizes the trace holds
_ADDED_FIRST = frozenset({1, 2, 32})  # enough where these hold
_TOLERANCE = 1e-4  # float32, relative to the largest logit; kernels may differ between a function and its layer


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainNetwork:
    """A network as plain layers.

    Attributes:
        module: The layers, in evaluation mode.
        network: Their trace.
        size_step: They hold for every size that the network takes and that differs from the traced one by a multiple
            of this; 0 where they hold for the traced size only. Above 1 or 0 the network's forward computes sizes from
            the image's own, which are numbers in a trace.
    """

    module: nn.Module
    network: Network
    size_step: int = 1

    def holds_for_added(self, pixels: int) -> bool:
        """Whether the layers hold for images that have so many pixels a side more than the traced ones, or fewer."""
        return pixels == 0 or (self.size_step > 0 and pixels % self.size_step == 0)


def plain_network(module: nn.Module, *input_shapes: tuple[int, ...], skip: Sequence[str] = ()) -> PlainNetwork:
    """The same function written with plain layers, without filters that nothing reads.

    Args:
        module: Any module that torch.fx can follow; it is not changed.
        input_shapes: `[C, H, W]` of one image, one shape an input.
        skip: Patterns of module paths that are left whole.

    Returns:
        Layers and trace.

    Raises:
        UnsupportedGraphError: The network cannot be followed, or the plain layers answer otherwise than it does.
    """
    traced = trace_with_state(module, *input_shapes, skip=skip)
    network = traced.network
    alive = liveness(network, (), np.ones(0, dtype=np.bool_))
    everything = whole_network(network, traced.state)
    problem = spec_problem(everything.spec)
    if problem is not None:
        raise UnsupportedGraphError(f"{type(module).__name__}: no student could be written: {problem}; rename the part")
    plain = build_with_weights(everything.spec, everything.tensors)
    is_whole = all(needed.all() for needed in alive.needed)
    _insist(module, plain, input_shapes)
    return PlainNetwork(
        module=plain,
        network=network if is_whole else trace(plain, *input_shapes, skip=skip),
        size_step=_size_step(module, plain, input_shapes),
    )


def whole_network(network: Network, state: Mapping[str, torch.Tensor]) -> Cut:
    """The network itself as a spec, with nothing cut.

    Args:
        network: Any traced network.
        state: Its tensors by name.

    Returns:
        The spec and its tensors; also parts whose output nothing reads are gone.
    """
    return cut(network, liveness(network, (), np.ones(0, dtype=np.bool_)), state)


def _insist(module: nn.Module, plain: nn.Module, input_shapes: tuple[tuple[int, ...], ...]) -> None:
    """Compare both on random images."""
    images = _images(module, input_shapes, number=2)
    difference = largest_difference(_answers(module, images), _answers(plain, images))
    if math.isnan(difference):
        raise DivergedError(f"{type(module).__name__} answers random images with nan or inf; give other --weights")
    if not difference <= _TOLERANCE:
        raise UnsupportedGraphError(
            f"{type(module).__name__}: written as plain layers it answers otherwise (by {difference:.1e} of the "
            "largest logit); its forward depends on more than the image and its tensors (random numbers, what "
            "earlier calls left); take that out of evaluation"
        )


def _size_step(module: nn.Module, plain: nn.Module, input_shapes: tuple[tuple[int, ...], ...]) -> int:
    """The smallest step of sizes for which the plain layers answer as the network does; 0 where they do for none."""
    step = 1
    for added in _ADDED:
        if step == 1 and added not in _ADDED_FIRST:
            continue
        larger = tuple((shape[0], *(size + added for size in shape[1:])) for shape in input_shapes)
        if not _holds(module, plain, larger):
            # The next one that is tried; whatever is not a multiple of it is not promised.
            step = 2 * added
    return step if step <= _ADDED[-1] else 0


def _holds(module: nn.Module, plain: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> bool:
    """Whether both answer alike, or the network itself takes no such images; what they print is not shown."""
    images = _images(module, shapes, number=1)
    with redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = _answers(module, images)
        except Exception:  # whatever it raises, it takes no such images
            return True
        try:
            found = _answers(plain, images)
        except Exception:  # sizes that do not fit raise many errors
            return False
    return largest_difference(expected, found) <= _TOLERANCE


def _images(module: nn.Module, shapes: tuple[tuple[int, ...], ...], *, number: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    parameter = next(module.parameters(), None)
    dtype, device = (torch.float32, None) if parameter is None else (parameter.dtype, parameter.device)
    return [torch.randn(number, *shape, generator=generator).to(device, dtype) for shape in shapes]


@torch.no_grad()
def _answers(module: nn.Module, images: Sequence[torch.Tensor]) -> object:
    was_training = module.training
    try:
        # Copies, since a network may write into its images and the next one is asked about the same.
        answer: object = module.eval()(*(image.clone() for image in images))
        return answer
    finally:
        module.train(was_training)
