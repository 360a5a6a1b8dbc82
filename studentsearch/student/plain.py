"""Any network as plain torch.nn layers at their original paths: what is searched, cut, counted and distilled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from studentsearch.errors import DivergedError, UnsupportedGraphError
from studentsearch.graph.liveness import liveness
from studentsearch.graph.network import Network
from studentsearch.graph.trace import trace, trace_with_state
from studentsearch.student.build import build_with_weights
from studentsearch.student.check import largest_difference
from studentsearch.student.other_sizes import TOLERANCE, answers, random_images, size_step
from studentsearch.student.slice import Cut, cut
from studentsearch.student.wellformed import spec_problem


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
        skip: Patterns of module paths whose parts keep all channels.

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
        size_step=size_step(module, plain, input_shapes),
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
    images = random_images(module, input_shapes)
    difference = largest_difference(answers(module, images), answers(plain, images))
    if math.isnan(difference):
        raise DivergedError(f"{type(module).__name__} answers random images with nan or inf; give other --weights")
    if not difference <= TOLERANCE:
        raise UnsupportedGraphError(
            f"{type(module).__name__}: written as plain layers it answers otherwise (by {difference:.1e} of the "
            "largest logit); its forward depends on more than the image and its tensors (random numbers, what "
            "earlier calls left); take that out of evaluation"
        )
