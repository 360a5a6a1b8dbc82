"""The loss of a distillation and its gradients: weights, ensembles, stages, clipping."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studentsearch.distill.adapters import Adapters
from studentsearch.distill.clipping import clipping
from studentsearch.distill.loss import DistillationTerms, Knowledge, LossWeights
from studentsearch.distill.methods import method, methods
from studentsearch.distill.objective import Distillation
from studentsearch.divergence import distillation_kl
from studentsearch.engine.objective import Moment

START, END = Moment(epoch=0, share=0.0), Moment(epoch=3, share=0.9)


class TwoStages(nn.Module):
    """Two convolutions and a linear layer, in float64."""

    def __init__(self, *, width: int = 4, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, width, kernel_size=3, padding=1)
        self.second = nn.Conv2d(width, width, kernel_size=3, stride=2)
        self.head = nn.Linear(width, 5)
        self.num_asked = 0
        self.double()

    def forward(self, inputs: Tensor) -> Knowledge:
        self.num_asked += 1
        first = torch.relu(self.first(inputs))
        second = torch.relu(self.second(first))
        return Knowledge(logits=self.head(second.mean((2, 3))), points=(first, second))


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64), torch.arange(6) % 5


def objective(student: TwoStages, teachers: list[TwoStages], terms: DistillationTerms, seed: int = 0) -> Distillation:
    width = student.first.out_channels
    adapters = [
        Adapters([teacher.first.out_channels] * 2, [width] * 2, generator=torch.Generator().manual_seed(seed)).double()
        for teacher in teachers
    ]
    return Distillation(
        student, teachers, terms, parameters=tuple(student.parameters()), adapters=adapters, autocast=nullcontext
    )


def terms_of(name: str, **changes: object) -> DistillationTerms:
    chosen = method(name)
    settings = {"max_distance": 1} if name == "cross_layer" else {}
    return DistillationTerms(
        weights=chosen.weights,
        term=None if chosen.term is None else chosen.term(**settings),
        squared_temperature=True,
        first_stage=chosen.first_stage,
        **changes,  # type: ignore[arg-type]
    )


def gradients(module: nn.Module) -> list[Tensor]:
    return [torch.zeros_like(it) if it.grad is None else it.grad.clone() for it in module.parameters()]


def gradients_of(loss: Callable[[Knowledge, Knowledge, Tensor], Tensor], teacher: TwoStages) -> list[Tensor]:
    student = TwoStages()
    inputs, labels = batch()
    with torch.no_grad():
        known = teacher(inputs)
    loss(student(inputs), known, labels).backward()
    return gradients(student)


def test_hinton_is_the_published_mixture():
    student, teacher = TwoStages(), TwoStages(seed=1)
    shown = objective(student, [teacher], terms_of("hinton")).backward(*batch(), START)

    def mixture(own: Knowledge, known: Knowledge, labels: Tensor) -> Tensor:
        soft = distillation_kl(own.logits, known.logits, temperature=4.0, squared_temperature=True)
        return 0.1 * F.cross_entropy(own.logits.float(), labels) + 0.9 * soft

    for found, expected in zip(gradients(student), gradients_of(mixture, teacher), strict=True):
        torch.testing.assert_close(found, expected)
    assert set(shown) == {"loss", "cross_entropy", "kl"}


def test_without_a_teacher_only_the_labels_count():
    student = TwoStages()
    shown = objective(student, [], terms_of("none")).backward(*batch(), START)
    expected = gradients_of(lambda own, _, labels: F.cross_entropy(own.logits.float(), labels), TwoStages(seed=1))
    for found, wanted in zip(gradients(student), expected, strict=True):
        assert torch.equal(found, wanted)
    assert shown["loss"] == shown["cross_entropy"]


@pytest.mark.parametrize("name", ["kl", "fsp_kd", "cross_layer", "at", "dkd", "rkd"])
def test_equal_teachers_are_one(name: str):
    one, three, teacher = TwoStages(), TwoStages(), TwoStages(seed=1)
    first = objective(one, [teacher], terms_of(name)).backward(*batch(), START)
    second = objective(three, [teacher] * 3, terms_of(name)).backward(*batch(), START)
    for found, expected in zip(gradients(three), gradients(one), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(second["loss"], first["loss"])


def test_each_teacher_is_asked_once_a_step():
    teachers = [TwoStages(seed=1), TwoStages(seed=2)]
    student = TwoStages()
    objective(student, teachers, terms_of("cross_layer", clipping="printed")).backward(*batch(), START)
    assert [teacher.num_asked for teacher in teachers] == [1, 1]
    assert student.num_asked == 1


def test_clipping_off_is_the_plain_sum_bit_for_bit():
    student, teacher = TwoStages(), TwoStages(seed=1)
    terms = terms_of("cross_layer")
    objective(student, [teacher], terms).backward(*batch(), END)

    def total(own: Knowledge, known: Knowledge, labels: Tensor) -> Tensor:
        soft = distillation_kl(own.logits, known.logits, temperature=4.0, squared_temperature=True)
        assert terms.term is not None
        hard = terms.weights.cross_entropy * F.cross_entropy(own.logits.float(), labels)
        return hard + terms.weights.kl * soft + terms.weights.knowledge * terms.term(own, known, labels)

    for found, expected in zip(gradients(student), gradients_of(total, teacher), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("mode", ["printed", "reversed"])
def test_clipping_scales_the_knowledge_gradient_alone(mode: str):
    teacher = TwoStages(width=6, seed=1)
    plain, clipped = TwoStages(), TwoStages()
    terms = terms_of("cross_layer")
    main = objective(plain, [teacher], DistillationTerms(weights=LossWeights(kl=1.0), squared_temperature=True))
    main.backward(*batch(), END)
    main_gradients = gradients(plain)
    plain.zero_grad()
    task = objective(
        plain, [teacher], DistillationTerms(weights=LossWeights(cross_entropy=0.0, knowledge=1.0), term=terms.term)
    )
    task.backward(*batch(), END)
    knowledge_gradients, adapter_gradients = gradients(plain), gradients(task.trained)
    norms = [torch.cat([it.flatten() for it in group]).norm() for group in (main_gradients, knowledge_gradients)]
    expected = clipping(norms[0], norms[1], epoch=3, mode=mode)  # type: ignore[arg-type]

    found = objective(clipped, [teacher], terms_of("cross_layer", clipping=mode))
    shown = found.backward(*batch(), END)
    torch.testing.assert_close(shown["tau"], expected.tau)
    torch.testing.assert_close(shown["beta"], expected.beta)
    for own, first, second in zip(gradients(clipped), main_gradients, knowledge_gradients, strict=True):
        torch.testing.assert_close(own, first + expected.factor * second)
    for own, second in zip(gradients(found.trained), adapter_gradients, strict=True):
        torch.testing.assert_close(own, expected.factor * second)


def test_adapters_stand_where_widths_differ_and_learn():
    student = TwoStages()
    found = objective(student, [TwoStages(width=6, seed=1), TwoStages(seed=2)], terms_of("cross_layer"))
    assert [tuple(weight.shape) for weight in found.trained.parameters()] == [(4, 6, 1, 1), (4, 6, 1, 1)]
    found.backward(*batch(), START)
    assert all(bool(it.abs().sum() > 0) for it in gradients(found.trained))


def test_the_first_stage_trains_what_lies_before_the_points():
    student, teacher = TwoStages(), TwoStages(seed=1)
    shown = objective(student, [teacher], terms_of("fsp")).backward(*batch(), START)
    assert student.first.weight.grad is not None
    assert bool(student.first.weight.grad.abs().sum() > 0)
    assert not bool(student.head.weight.grad is not None and student.head.weight.grad.abs().sum() > 0)
    assert shown["loss"] == shown["knowledge"]


def test_the_second_stage_asks_no_teacher():
    student, teacher = TwoStages(), TwoStages(seed=1)
    shown = objective(student, [teacher], terms_of("fsp")).backward(*batch(), END)
    assert teacher.num_asked == 0
    assert bool(shown["knowledge"].isnan())
    assert shown["loss"] == shown["cross_entropy"]


WAITS = {"aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero", "aten::equal"}
SYNCHRONOUS = {"sskd"}  # its decomposition waits for the host on CUDA, as its line of the table says


@pytest.mark.parametrize("clip", ["off", "printed"])
@pytest.mark.parametrize("name", sorted({known.name for known in methods()} - SYNCHRONOUS))
def test_a_step_reads_nothing_back_from_the_device(name: str, clip: str):
    student, teacher = TwoStages(), TwoStages(seed=1)
    step = objective(student, [teacher, teacher], terms_of(name, clipping=clip if name != "fsp" else "off"))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step.backward(*batch(), START)
    called = {event.key for event in profile.key_averages()}
    assert "aten::convolution" in called
    assert not called & WAITS


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", sorted({known.name for known in methods()} - SYNCHRONOUS))
def test_a_step_never_waits_on_cuda(name: str):
    student, teacher = TwoStages().float().cuda(), TwoStages(seed=1).float().cuda()
    step = objective(student, [teacher], terms_of(name, clipping="off" if name == "fsp" else "printed"))
    step.trained.float().cuda()
    inputs, labels = (tensor.cuda() for tensor in batch())
    step.backward(inputs.float(), labels, START)
    student.zero_grad()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step.backward(inputs.float(), labels, START)
    finally:
        torch.cuda.set_sync_debug_mode("default")
