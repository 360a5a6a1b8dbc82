"""One net under random gates: what runs gated, and the student that is cut out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from norm_statistics import norm_statistics
from torch import Tensor, nn
from torch.func import functional_call

from studentsearch.graph.gates import GateSite, num_gates, scale_weights
from studentsearch.graph.liveness import Liveness, liveness
from studentsearch.graph.network import Network
from studentsearch.student.build import build_with_weights
from studentsearch.student.slice import Cut, cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A net that is examined.

    Attributes:
        module: What runs gated: the net as its library made it, or its plain layers.
        network: Its trace.
        sites: Its gates.
        state: The tensors of the plain layers by name.
    """

    module: nn.Module
    network: Network
    sites: tuple[GateSite, ...]
    state: Mapping[str, Tensor]

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return next(self.module.parameters()).dtype

    def double(self) -> Subject:
        """The same in float64; the module is converted where it stands."""
        state = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in self.state.items()}
        return Subject(module=self.module.double(), network=self.network, sites=self.sites, state=state)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomCut:
    """A student under random gates.

    Attributes:
        folded: The gated readers' weights and the statistics that go with them, by name.
        alive: What is left.
        cut: The student.
        module: It as a module, in evaluation mode.
        seconds: CPU seconds of liveness, cutting and building.
    """

    folded: Mapping[str, Tensor]
    alive: Liveness
    cut: Cut
    module: nn.Module
    seconds: float


def random_cut(subject: Subject, images: Tensor, *, closed_share: float, seed: int) -> RandomCut:
    """Close some gates, scale by the others, recompute statistics, cut.

    Args:
        subject: The net.
        images: `[B, C, H, W]`, for the statistics.
        closed_share: Share of gates that are closed; the others lie in 0.5..1.5.
        seed: Of the choice.

    Returns:
        The student and what was done to the net.
    """
    generator = torch.Generator().manual_seed(seed)
    size = num_gates(subject.sites)
    gates = 0.5 + torch.rand(size, generator=generator)
    gates *= torch.rand(size, generator=generator) >= closed_share
    scaled = scale_weights(dict(subject.state), subject.sites, gates)
    statistics = norm_statistics(subject.module, scaled, images.to(subject.dtype), seed=seed)
    folded = {**scaled, **{name: tensor for name, tensor in statistics.items() if name in subject.state}}
    start = time.process_time()
    alive = liveness(subject.network, subject.sites, np.asarray(gates.numpy() != 0))
    student = cut(subject.network, alive, {**subject.state, **folded})
    module = build_with_weights(student.spec, student.tensors)
    seconds = time.process_time() - start
    return RandomCut(folded=folded, alive=alive, cut=student, module=module, seconds=seconds)


@torch.no_grad()
def difference(subject: Subject, student: RandomCut, images: Tensor) -> float:
    """Largest difference of exported and gated logits.

    Args:
        subject: The net.
        student: What was cut from it.
        images: `[B, C, H, W]`.

    Returns:
        Relative to the largest gated logit.
    """
    images = images.to(subject.dtype)
    gated = torch.as_tensor(functional_call(subject.module, dict(student.folded), (images,)))
    return relative(gated, torch.as_tensor(student.module(images)))


def relative(expected: Tensor, found: Tensor) -> float:
    """Largest difference, relative to the largest entry of `expected`."""
    scale = expected.abs().max().clamp_min(torch.finfo(expected.dtype).tiny)
    return ((expected - found).abs().max() / scale).item()
