"""The losses of every distillation method, with their gradients, on made-up knowledge in float64."""

from __future__ import annotations

import torch

from studentsearch.distill.ensemble import ensemble_term
from studentsearch.distill.loss import Knowledge
from studentsearch.distill.methods import methods
from studentsearch.divergence import distillation_kl

_SHAPES = ((4, 3, 8, 8), (4, 3, 8, 8), (4, 5, 4, 4), (4, 6, 2, 2))
_LABELS = torch.tensor([1, 0, 2, 2])


def losses() -> dict[str, list[str]]:
    """Loss and norm of its gradient by method, as hexadecimal floats; each with one teacher and with two."""
    found: dict[str, list[str]] = {}
    for method in methods():
        if method.term is None:
            continue
        term = method.term()
        for number in (1, 2):
            student = _knowledge(0, requires_grad=True)
            loss = ensemble_term(student, [_knowledge(seed) for seed in range(1, number + 1)], _LABELS, term)
            found[f"{method.name}, {number} teachers"] = _described(loss, student)
    for temperature, squared, reverse in ((4.0, True, False), (4.0, False, False), (1.0, False, True)):
        student, teacher = _knowledge(0, requires_grad=True), _knowledge(1)
        loss = distillation_kl(
            student.logits, teacher.logits, temperature=temperature, squared_temperature=squared, reverse=reverse
        )
        found[f"kl at {temperature:g}, squared {squared}, reverse {reverse}"] = _described(loss, student)
    return found


def _knowledge(seed: int, *, requires_grad: bool = False) -> Knowledge:
    generator = torch.Generator().manual_seed(seed)
    points = tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in _SHAPES)
    logits = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    return Knowledge(
        logits=logits.requires_grad_(requires_grad),
        points=tuple(point.requires_grad_(requires_grad) for point in points),
    )


def _described(loss: torch.Tensor, student: Knowledge) -> list[str]:
    tensors = [student.logits, *student.points]
    gradients = torch.autograd.grad(loss, tensors, allow_unused=True)
    norms = [0.0 if gradient is None else gradient.norm().item() for gradient in gradients]
    return [loss.item().hex(), *(norm.hex() for norm in norms)]
