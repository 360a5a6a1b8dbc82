"""One set of properties, held for every micro-net and for one net a rule."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache

import pytest
import torch
from micro_nets import MicroNet, Shapes
from rule_nets import NETS
from torch import Tensor, nn
from torch.func import functional_call

from studentsearch.graph.gates import gate_sites, num_gates, scale_weights
from studentsearch.graph.liveness import liveness
from studentsearch.graph.macs import count_macs
from studentsearch.student.build import build_with_weights
from studentsearch.student.counts import is_counted_by_thop, thop_macs, torch_flops
from studentsearch.student.plain import plain_network
from studentsearch.student.slice import Cut, cut
from studentsearch.student.source import model_source
from studentsearch.student.spec import spec_from_json, spec_to_json

EXACT = 1e-10  # float64, relative to the largest entry; only the order of summation differs


def tensors_of(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    assert isinstance(value, (tuple, list, Mapping))
    return [tensor for item in (value.values() if isinstance(value, Mapping) else value) for tensor in tensors_of(item)]


def pictures(shapes: Shapes, number: int = 2) -> list[Tensor]:
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
        self.images = pictures(given.shapes)
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

    def settings(self) -> Iterator[Tensor]:
        """Everything closed, every reader emptied, and gates at random."""
        yield torch.zeros(self.num_gates, dtype=torch.float64)
        for site in self.sites:
            gates = torch.ones(self.num_gates, dtype=torch.float64)
            gates[site.span] = 0
            yield gates
        generator = torch.Generator().manual_seed(2)
        for number in range(self.net.num_settings):
            gates = 0.2 + torch.rand(self.num_gates, generator=generator, dtype=torch.float64)
            is_open = torch.rand(self.num_gates, generator=generator) < (0.9, 0.6, 0.3)[number % 3]
            yield gates * is_open


@cache
def case_of(name: str) -> Case:
    return Case(NETS[name])


@pytest.fixture(params=NETS)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


def exported(student: Cut) -> nn.Module:
    return build_with_weights(student.spec, student.tensors)


def answers(module: nn.Module, images: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return tensors_of(module(*images))


def assert_near(found: list[Tensor], expected: list[Tensor], gap: float) -> None:
    assert [tensor.shape for tensor in found] == [tensor.shape for tensor in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= gap * other.abs().max()


def some_gates(case: Case) -> Tensor:
    """Gates of which about a third are closed."""
    generator = torch.Generator().manual_seed(3)
    gates = 0.2 + torch.rand(case.num_gates, generator=generator, dtype=torch.float64)
    return gates * (torch.rand(case.num_gates, generator=generator) < 0.7)


def test_open_gates_are_the_module(case: Case) -> None:
    expected = answers(case.module, case.images)
    assert_near(answers(case.plain, case.images), expected, case.net.gap)
    gates = torch.ones(case.num_gates, dtype=torch.float64)
    assert_near(case.gated(gates, case.images), expected, case.net.gap)
    assert_near(answers(exported(case.cut(gates)), case.images), expected, case.net.gap)


def test_the_exported_network_is_the_gated_one(case: Case) -> None:
    for gates in case.settings():
        assert_near(answers(exported(case.cut(gates)), case.images), case.gated(gates, case.images), EXACT)


def test_another_counter_finds_the_same_integer(case: Case) -> None:
    for gates in (torch.ones(case.num_gates, dtype=torch.float64), some_gates(case), torch.zeros(case.num_gates)):
        student = case.cut(gates.double())
        module, shapes = exported(student), case.net.shapes
        is_thops = is_counted_by_thop(student.spec)
        counted = thop_macs(module, *shapes) if is_thops else torch_flops(module, shapes) // 2
        assert counted == case.macs(gates)


def test_the_written_forms_are_the_student(case: Case) -> None:
    for gates in (torch.ones(case.num_gates, dtype=torch.float64), some_gates(case)):
        student = case.cut(gates)
        expected = answers(exported(student), case.images)
        spec = spec_from_json(json.loads(json.dumps(spec_to_json(student.spec))), source="config.json")
        assert spec == student.spec
        assert_near(answers(build_with_weights(spec, student.tensors), case.images), expected, 0.0)
        assert_near(answers(written(student), case.images), expected, 0.0)


def written(student: Cut) -> nn.Module:
    """The module that the generated model.py builds."""
    space: dict[str, object] = {"__file__": "model.py", "__name__": "model"}
    exec(compile(model_source(student.spec, title="A student."), "model.py", "exec"), space)
    module = space["build"](None)
    module.to(torch.float64).load_state_dict(student.tensors)
    return module


def test_a_training_step_moves_every_weight_that_learns(case: Case) -> None:
    module = exported(case.cut(some_gates(case))).train()
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    torch.manual_seed(0)
    sum(tensor.square().mean() for tensor in tensors_of(module(*pictures(case.net.shapes, 4)))).backward()
    optimizer.step()
    assert all(tensor.isfinite().all() for tensor in module.state_dict().values())
    moved = [not torch.equal(before[name], tensor) for name, tensor in module.named_parameters()]
    assert any(moved)


@pytest.mark.parametrize("name", [name for name, net in NETS.items() if net.larger])
def test_a_second_size_of_pictures(name: str) -> None:
    case = case_of(name)
    images = pictures(case.net.larger)
    for gates in (torch.ones(case.num_gates, dtype=torch.float64), some_gates(case)):
        assert_near(answers(exported(case.cut(gates)), images), case.gated(gates, images), EXACT)
    for site in case.sites:
        gates = torch.ones(case.num_gates, dtype=torch.float64)
        gates[site.span] = 0
        assert_near(answers(exported(case.cut(gates)), images), case.gated(gates, images), EXACT)
