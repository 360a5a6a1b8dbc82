"""One set of properties, held for every micro-net and for one net a rule."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import msgspec
import pytest
import torch
from micro_case import EXACT, Case, answers, assert_near, exported, image_batch, tensors_of, written
from operation_names import FOLLOWED, RECORDS
from rule_nets import NETS
from torch import Tensor

from studentsearch.graph.operations.table import record_of
from studentsearch.records.architecture import ArchitectureRecord
from studentsearch.student.build import build_with_weights
from studentsearch.student.counts import is_counted_by_thop, thop_macs, torch_flops
from studentsearch.student.spec import spec_from_record, spec_to_record


@cache
def case_of(name: str) -> Case:
    return Case(NETS[name])


@pytest.fixture(params=NETS)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


def some_gates(case: Case) -> Tensor:
    """Gates of which about a third are closed."""
    generator = torch.Generator().manual_seed(3)
    gates = 0.2 + torch.rand(case.num_gates, generator=generator, dtype=torch.float64)
    return gates * (torch.rand(case.num_gates, generator=generator) < 0.7)


def test_every_rule_is_used_by_a_net() -> None:
    records = {record_of(node.operation) for name in NETS for node in case_of(name).network.nodes}
    used = {record.propagate for record in records if record is not None}
    ungated = {record.name for record in RECORDS if record.propagate not in used}
    assert ungated & FOLLOWED == {"Constant"}  # only students have it


def test_open_gates_are_the_module(case: Case) -> None:
    expected = answers(case.module, case.images)
    assert_near(answers(case.plain, case.images), expected, case.net.gap)
    gates = torch.ones(case.num_gates, dtype=torch.float64)
    assert_near(case.gated(gates, case.images), expected, case.net.gap)
    student = exported(case.cut(gates))
    assert_near(answers(student, case.images), expected, case.net.gap)
    if case.net.larger:
        images = image_batch(case.net.larger)
        assert_near(answers(student, images), answers(case.module, images), max(case.net.gap, EXACT))


@pytest.mark.parametrize("num_random", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_the_exported_network_is_the_gated_one_at_two_sizes(case: Case, num_random: int) -> None:
    for gates in case.settings(num_random):
        student = exported(case.cut(gates))
        for images in (case.images, image_batch(case.net.larger)) if case.net.larger else (case.images,):
            assert_near(answers(student, images), case.gated(gates, images), EXACT)


def test_a_student_is_a_network_that_can_be_cut(case: Case) -> None:
    gates = torch.ones(case.num_gates, dtype=torch.float64)
    for site in case.sites[len(case.sites) // 2 :][:1]:
        gates[site.span] = 0
    again = Case(replace(case.net, module=exported(case.cut(gates)), gap=EXACT))
    assert_near(answers(again.plain, case.images), case.gated(gates, case.images), EXACT)
    for own in (torch.zeros(again.num_gates), some_gates(again)):
        assert_near(answers(exported(again.cut(own)), case.images), again.gated(own, case.images), EXACT)


def test_another_counter_finds_the_same_integer(case: Case) -> None:
    for gates in (some_gates(case), torch.zeros(case.num_gates)):
        student = case.cut(gates)
        module, shapes = exported(student), case.net.shapes
        is_thops = is_counted_by_thop(student.spec)
        counted = thop_macs(module, *shapes) if is_thops else torch_flops(module, shapes) // 2
        assert counted == case.macs(gates)


def test_the_written_forms_are_the_student(case: Case) -> None:
    student = case.cut(some_gates(case))
    expected = answers(exported(student), case.images)
    spec = spec_from_record(
        msgspec.json.decode(msgspec.json.encode(spec_to_record(student.spec)), type=ArchitectureRecord)
    )
    assert spec == student.spec
    assert_near(answers(build_with_weights(spec, student.tensors), case.images), expected, 0.0)
    assert_near(answers(written(student), case.images), expected, 0.0)


def test_a_training_step_moves_every_weight_that_learns(case: Case) -> None:
    module = exported(case.cut(some_gates(case))).train()
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    torch.manual_seed(0)
    sum(tensor.square().mean() for tensor in tensors_of(module(*image_batch(case.net.shapes, 4)))).backward()
    optimizer.step()
    assert all(tensor.isfinite().all() for tensor in module.state_dict().values())
    moved = [not torch.equal(before[name], tensor) for name, tensor in module.named_parameters()]
    assert any(moved)
