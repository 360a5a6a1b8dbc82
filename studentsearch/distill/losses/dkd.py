"""Decoupled distillation: the KL divergence in two parts, the target class against the rest, and the rest alone."""

from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional as F

from studentsearch.distill.loss import Knowledge, Method, Term
from studentsearch.distill.maps import in_full_precision
from studentsearch.distill.warm_up import WarmUp
from studentsearch.errors import UsageError


def dkd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    alpha: float,
    beta: float,
    squared_temperature: bool,
) -> Tensor:
    """Decoupled loss: (alpha * TCKD + beta * NCKD) * temperature^2, averaged over the batch, in nats.

    TCKD = KL(b_T || b_S) with b = (p_target, 1 - p_target); NCKD = KL(q_T || q_S) with q the softmax over the other
    classes. KL itself is TCKD + (1 - p_T,target) * NCKD. The authors' code raises the loss over the first 20 epochs,
    as the row of the table does; this function is the loss itself.

    Args:
        student_logits: `[B, C]`, C >= 2.
        teacher_logits: `[B, C]`.
        labels: `[B]`, int64 class numbers.
        temperature: What both logits are divided by, > 0.
        alpha: Weight of the target part; 1 is published.
        beta: Weight of the other classes' part; published on CIFAR-100 are 8 for ResNet-32x4 to 8x4 and 2 for ResNet-56
            to 20.
        squared_temperature: Whether to multiply by temperature ** 2, as published.

    Returns:
        Scalar, float32 at least, >= 0.

    Raises:
        UsageError: If the shapes differ, there are fewer than two classes, or the temperature is not positive.

    Source:
        Zhao, Cui, Song, Qiu and Liang, "Decoupled Knowledge Distillation", CVPR 2022, equations 5 to 7.
    """
    if student_logits.dim() != 2 or student_logits.shape != teacher_logits.shape or student_logits.shape[1] < 2:
        raise UsageError(
            f"found student logits {list(student_logits.shape)} and teacher logits {list(teacher_logits.shape)}; "
            "expected the same [batch, classes] of two classes or more; give both networks the same classes"
        )
    if not temperature > 0:
        raise UsageError(f"found temperature {temperature}; expected a number above 0; 4 is usual")
    student, teacher = (in_full_precision(logits) / temperature for logits in (student_logits, teacher_logits))
    target = _divergence(_target_or_not(student, labels), _target_or_not(teacher, labels))
    others = _divergence(_log_softmax_of_others(student, labels), _log_softmax_of_others(teacher, labels))
    loss = alpha * target + beta * others
    return loss * temperature**2 if squared_temperature else loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Dkd(Term[Tensor]):
    """Decoupled loss of two networks' logits, `dkd_loss` with its settings."""

    temperature: float = 4.0
    squared_temperature: bool = True
    alpha: Annotated[float, Meta(ge=0)] = 1.0
    beta: Annotated[float, Meta(ge=0)] = 8.0

    def read(self, network: Knowledge) -> Tensor:
        """The logits."""
        return network.logits

    def compare(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Both parts, weighed."""
        return dkd_loss(
            student,
            teacher,
            labels,
            temperature=self.temperature,
            alpha=self.alpha,
            beta=self.beta,
            squared_temperature=self.squared_temperature,
        )


METHOD = Method(
    summary="cross entropy + KL in two parts, the target class (1) and the others (8), warmed up",
    source="Zhao, Cui, Song, Qiu and Liang, 2022, CVPR",
    term=Dkd,
    warm_up=WarmUp(epochs=20, share=0.5),  # the authors' 20 epochs; they train 240, so half is for short trainings
)


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _target_or_not(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probabilities `[B, 2]` of the target class and of all others together."""
    target = logits.gather(1, labels[:, None])
    others = _of_others(logits, labels).logsumexp(dim=1, keepdim=True)
    return F.log_softmax(torch.cat((target, others), dim=1), dim=1)


def _log_softmax_of_others(logits: Tensor, labels: Tensor) -> Tensor:
    """`[B, C - 1]`."""
    return F.log_softmax(_of_others(logits, labels), dim=1)


def _of_others(logits: Tensor, labels: Tensor) -> Tensor:
    """The logits of all classes but the target, `[B, C - 1]`."""
    classes = torch.arange(logits.shape[1] - 1, device=logits.device)
    return logits.gather(1, classes + (classes >= labels[:, None]))
