"""Which axis holds the channels is decided by entries, never by sizes: students of such networks answer as masked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from attention_nets import ATTENTION
from channels_last_nets import CHANNELS_LAST
from coincident_nets import COINCIDENT
from micro_case import EXACT, Case, answers, assert_near, exported, image_batch, written
from torch import Tensor
from vector_nets import SQUEEZED, VECTORS

from studentsearch.graph.liveness import liveness
from studentsearch.student.restore import restore_norms
from studentsearch.student.slice import cut

TABLES = {
    "coincident": COINCIDENT,
    "vector": VECTORS,
    "attention": ATTENTION,
    "channels_last": CHANNELS_LAST,
    "squeezed": SQUEEZED,
}
NETS = {f"{table}-{name}": net for table, nets in TABLES.items() for name, net in nets.items()}


@cache
def case_of(name: str) -> Case:
    return Case(NETS[name])


def settings(case: Case) -> Iterator[Tensor]:
    """All gates open, all closed, and 10, 50 and 90 % of them closed at random."""
    generator = torch.Generator().manual_seed(5)
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        scales = 0.2 + torch.rand(case.num_gates, generator=generator, dtype=torch.float64)
        yield scales * (torch.rand(case.num_gates, generator=generator) >= share)


def assert_cut_is_masked(case: Case, gates: Tensor) -> None:
    """The built module and model.py against the masked module, at two batch sizes and two sizes of image."""
    student = case.cut(gates)
    built, read = exported(student), written(student)
    for number, shapes in ((2, case.net.shapes), (5, case.net.larger or case.net.shapes)):
        images = image_batch(shapes, number)
        expected = case.gated(gates, images)
        assert_near(answers(built, images), expected, EXACT)
        assert_near(answers(read, images), answers(built, images), 0.0)


@pytest.mark.parametrize("name", NETS)
def test_what_is_cut_is_the_masked_module(name: str) -> None:
    case = case_of(name)
    assert case.num_gates
    for gates in settings(case):
        assert_cut_is_masked(case, gates)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_what_is_cut_is_the_masked_module_for_many_gates(name: str) -> None:
    case = case_of(name)
    for gates in case.settings(30):
        assert_cut_is_masked(case, gates)


@pytest.mark.parametrize("name", SQUEEZED)
def test_a_student_with_squeeze_answers_one_image_as_it_answers_any_number(name: str) -> None:
    case = case_of(f"squeezed-{name}")
    for gates in settings(case):
        student = exported(case.cut(gates))
        images = image_batch(case.net.shapes, 3)
        for one, several in zip(
            answers(student, [tensor[:1] for tensor in images]), answers(student, images), strict=True
        ):
            assert_near([one], [several[:1]], EXACT)


def test_a_convnext_block_keeps_its_gates_where_all_axes_have_one_size() -> None:
    case = case_of("coincident-convnext_block")
    assert [site.path for site in case.sites] == ["before", "wide", "narrow", "after", "head"]


@pytest.mark.parametrize("name", [name for name in NETS if "norm" in name or "attention-c" in name])
def test_norms_may_be_restored(name: str) -> None:
    case = case_of(name)
    for gates in settings(case):
        alive = liveness(case.network, case.sites, gates.numpy() != 0)
        student = cut(case.network, alive, restore_norms(case.network, alive, case.state, case.folded(gates)))
        expected = case.gated(gates, case.images)
        assert_near(answers(exported(student), case.images), expected, 10 * EXACT)  # eps is added and taken away
