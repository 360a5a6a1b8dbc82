import math

import pytest
import torch

from studentsearch.distill.soft_targets import soft_target_loss
from studentsearch.errors import UsageError

TEACHER = torch.tensor([[2 * math.log(3.0), 0.0]], dtype=torch.float64)
STUDENT = torch.tensor([[5.0, 5.0]], dtype=torch.float64)
LABELS = torch.tensor([1])
KL = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)


def test_mixture_by_hand():
    loss = soft_target_loss(STUDENT, TEACHER, LABELS, temperature=2.0)
    assert loss.item() == pytest.approx(0.1 * math.log(2) + 0.9 * 4 * KL, abs=1e-15)
    plain = soft_target_loss(STUDENT, TEACHER, LABELS, temperature=2.0, hard_weight=0.3, squared_temperature=False)
    assert plain.item() == pytest.approx(0.3 * math.log(2) + 0.7 * KL, abs=1e-15)


def test_reverse_direction():
    loss = soft_target_loss(STUDENT, TEACHER, LABELS, temperature=2.0, hard_weight=0.0, reverse=True)
    assert loss.item() == pytest.approx(4 * 0.5 * (math.log(2 / 3) + math.log(2)), abs=1e-14)


def test_hard_weight_one_is_cross_entropy():
    loss = soft_target_loss(STUDENT, TEACHER, LABELS, hard_weight=1.0)
    assert loss.item() == pytest.approx(math.log(2), abs=1e-15)


def test_only_the_hard_part_is_left_when_student_is_teacher():
    loss = soft_target_loss(TEACHER, TEACHER, LABELS)
    assert loss.item() == pytest.approx(0.1 * math.log(10.0), abs=1e-15)  # odds 9 : 1 at temperature 1


def test_gradcheck_and_precision():
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 4, 2])
    assert torch.autograd.gradcheck(lambda x: soft_target_loss(x, teacher, labels), student)
    assert soft_target_loss(student.bfloat16(), teacher.bfloat16(), labels).dtype == torch.float32


def test_weight_outside_range_is_refused():
    with pytest.raises(UsageError, match=r"found hard-target weight 1.1; expected a number from 0 to 1"):
        soft_target_loss(STUDENT, TEACHER, LABELS, hard_weight=1.1)
