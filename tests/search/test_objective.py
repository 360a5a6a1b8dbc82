import math

import pytest
import torch

from studentsearch.errors import UsageError
from studentsearch.search.objective import data_term, distillation_kl
from studentsearch.search.recipe import Objective

# At temperature 2 the teacher's odds are 3 : 1 and the student's 1 : 1.
TEACHER = torch.tensor([[2 * math.log(3.0), 0.0]], dtype=torch.float64)
STUDENT = torch.tensor([[5.0, 5.0]], dtype=torch.float64)
FORWARD = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
REVERSE = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)


def random_logits(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return (3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(dtype)


def test_kl_by_hand():
    assert distillation_kl(STUDENT, TEACHER, temperature=2.0).item() == pytest.approx(FORWARD, abs=1e-15)
    assert distillation_kl(STUDENT, TEACHER, temperature=2.0, reverse=True).item() == pytest.approx(REVERSE, abs=1e-15)
    squared = distillation_kl(STUDENT, TEACHER, temperature=2.0, squared_temperature=True)
    assert squared.item() == pytest.approx(4 * FORWARD, abs=1e-15)


def test_kl_is_the_mean_over_the_batch():
    student, teacher = torch.cat([STUDENT, TEACHER]), torch.cat([TEACHER, TEACHER])
    assert distillation_kl(student, teacher, temperature=2.0).item() == pytest.approx(FORWARD / 2, abs=1e-15)


@pytest.mark.parametrize("reverse", [False, True])
def test_kl_of_equal_outputs_is_zero_with_zero_gradient(reverse):
    student = random_logits(0).requires_grad_()
    divergence = distillation_kl(student, random_logits(0), reverse=reverse)
    divergence.backward()
    assert divergence.item() == 0.0
    assert student.grad.abs().max() < 1e-15  # float64; softmax sums to 1 up to rounding


@pytest.mark.parametrize("reverse", [False, True])
def test_kl_is_permutation_invariant_positive_and_shift_invariant(reverse):
    student, teacher = random_logits(1), random_logits(2)
    value = distillation_kl(student, teacher, reverse=reverse).item()
    assert value > 0
    rows, columns = torch.tensor([3, 0, 4, 1, 2]), torch.tensor([2, 0, 3, 1])
    permuted = distillation_kl(student[rows][:, columns], teacher[rows][:, columns], reverse=reverse).item()
    assert permuted == pytest.approx(value, rel=1e-13)  # float64; only the order of summation differs
    assert distillation_kl(student + 7, teacher - 3, reverse=reverse).item() == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_kl_gradcheck(reverse):
    student = random_logits(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: distillation_kl(x, random_logits(4), reverse=reverse), student)


def test_kl_is_float32_inside():
    student, teacher = random_logits(5, torch.bfloat16), random_logits(6, torch.bfloat16)
    found = distillation_kl(student, teacher)
    assert found.dtype == torch.float32
    assert torch.equal(found, distillation_kl(student.float(), teacher.float()))


def test_kl_refuses_other_shapes_and_temperatures():
    with pytest.raises(UsageError, match=r"student logits \[2, 10\] and teacher logits \[2, 100\]; expected the same"):
        distillation_kl(torch.zeros(2, 10), torch.zeros(2, 100))
    with pytest.raises(UsageError, match=r"found temperature 0; expected a number above 0"):
        distillation_kl(torch.zeros(2, 10), torch.zeros(2, 10), temperature=0)


def test_data_term_kd_reads_all_options():
    labels = torch.zeros(1, dtype=torch.int64)
    plain = Objective(temperature=2.0)
    assert data_term(plain, STUDENT, TEACHER, labels).item() == pytest.approx(FORWARD, abs=1e-15)
    every = Objective(temperature=2.0, squared_temperature=True, reverse=True)
    assert data_term(every, STUDENT, TEACHER, labels).item() == pytest.approx(4 * REVERSE, abs=1e-15)


def test_data_term_with_kl_target_is_the_distance():
    labels = torch.zeros(1, dtype=torch.int64)
    below = Objective(temperature=2.0, kl_target=0.5)
    above = Objective(temperature=2.0, kl_target=0.1)
    assert data_term(below, STUDENT, TEACHER, labels).item() == pytest.approx(0.5 - FORWARD, abs=1e-15)
    assert data_term(above, STUDENT, TEACHER, labels).item() == pytest.approx(FORWARD - 0.1, abs=1e-15)


def test_data_term_np_is_cross_entropy_at_temperature_one():
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]], dtype=torch.float64)
    term = data_term(Objective(kind="np"), logits, torch.full_like(logits, 9.0), torch.tensor([0, 1]))
    assert term.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, abs=1e-15)


def test_objective_refuses_what_cannot_mean_anything():
    with pytest.raises(UsageError, match=r"KL target with objective np, which has no KL term"):
        Objective(kind="np", kl_target=0.1)
    with pytest.raises(UsageError, match=r"found KL target -0.1; expected 0 or more"):
        Objective(kl_target=-0.1)
    with pytest.raises(UsageError, match=r"found objective 'kl'; expected kd or np"):
        Objective(kind="kl")
    with pytest.raises(UsageError, match=r"found temperature -1.0"):
        Objective(temperature=-1.0)
