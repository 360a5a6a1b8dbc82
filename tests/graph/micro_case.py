"""A micro-net with its gates, and the two ways to compute what closed gates leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from micro_nets import MicroNet, Shapes
from torch import Tensor, nn
from torch.func import functional_call

from studentsearch.graph.gates import gate_sites, num_gates, scale_weights
from studentsearch.graph.liveness import liveness
from studentsearch.graph.macs import count_macs
from studentsearch.student.build import build_with_weights
from studentsearch.student.plain import plain_network
from studentsearch.student.slice import Cut, cut
from studentsearch.student.source import model_source

EXACT = 1e-10  # float64, relative to the largest entry; only the order of summation differs


def tensors_of(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    assert isinstance(value, (tuple, list, Mapping))
    return [tensor for item in (value.values() if isinstance(value, Mapping) else value) for tensor in tensors_of(item)]


def image_batch(shapes: Shapes, number: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(number, *shape, generator=generator, dtype=torch.float64) for shape in shapes]


class Case:
    """A net with its gates, and the two ways to compute what closed gates leave."""

    def __init__(self, given: MicroNet) -> None:
        self.net = given
        self.module = given.fresh()
        plain = plain_network(self.module, *given.shapes)
        self.plain, self.network = plain.module, plain.network
        self.sites = gate_sites(self.network)
        self.num_gates = num_gates(self.sites)
        self.state = dict(self.plain.state_dict())
        self.images = image_batch(given.shapes)
        # The module itself is gated, unless a tensor stands elsewhere in it (F.conv2d of a parameter, weight norm) or
        # parts that nothing reads were dropped from it.
        own = self.module.state_dict()
        is_alike = all(name in own and own[name].shape == tensor.shape for name, tensor in self.state.items())
        self.reference = self.module if is_alike else self.plain

    def folded(self, gates: Tensor) -> dict[str, Tensor]:
        return self.state | scale_weights(self.state, self.sites, gates)

    def gated(self, gates: Tensor, images: list[Tensor]) -> list[Tensor]:
        with torch.no_grad():
            return tensors_of(functional_call(self.reference, self.folded(gates), tuple(images)))

    def cut(self, gates: Tensor) -> Cut:
        alive = liveness(self.network, self.sites, gates.numpy() != 0)
        return cut(self.network, alive, self.folded(gates))

    def macs(self, gates: Tensor) -> int:
        return int(count_macs(self.network, liveness(self.network, self.sites, gates.numpy() != 0)))

    def settings(self, num_random: int) -> Iterator[Tensor]:
        """Everything closed, every reader emptied, and gates at random."""
        yield torch.zeros(self.num_gates, dtype=torch.float64)
        for site in self.sites:
            gates = torch.ones(self.num_gates, dtype=torch.float64)
            gates[site.span] = 0
            yield gates
        generator = torch.Generator().manual_seed(2)
        for number in range(num_random):
            gates = 0.2 + torch.rand(self.num_gates, generator=generator, dtype=torch.float64)
            is_open = torch.rand(self.num_gates, generator=generator) < (0.9, 0.6, 0.3)[number % 3]
            yield gates * is_open


def exported(student: Cut) -> nn.Module:
    return build_with_weights(student.spec, student.tensors)


def written(student: Cut) -> nn.Module:
    """The module that the generated model.py builds."""
    space: dict[str, object] = {"__file__": "model.py", "__name__": "model"}
    exec(compile(model_source(student.spec, title="A student."), "model.py", "exec"), space)
    module = space["build"](None)
    module.to(torch.float64).load_state_dict(student.tensors)
    return module


def answers(module: nn.Module, images: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return tensors_of(module(*images))


def assert_near(found: list[Tensor], expected: list[Tensor], gap: float) -> None:
    assert [tensor.shape for tensor in found] == [tensor.shape for tensor in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= gap * other.abs().max()
