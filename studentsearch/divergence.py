"""The Kullback-Leibler divergence between softened network outputs, which searching and distilling share."""

import torch
from torch import Tensor
from torch.nn import functional as F

from studentsearch.errors import UsageError


def distillation_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float = 4.0,
    squared_temperature: bool = False,
    reverse: bool = False,
) -> Tensor:
    """KL(teacher || student) of the softmax outputs at a temperature, in nats, averaged over the batch.

    The arithmetic is float32 at least, whatever the logits are. Gradients flow to both arguments.

    Args:
        student_logits: `[B, C]`.
        teacher_logits: `[B, C]`.
        temperature: What both logits are divided by, > 0.
        squared_temperature: Whether to multiply by temperature ** 2, which keeps the size of the gradient.
        reverse: Whether to take KL(student || teacher) instead.

    Returns:
        Scalar, >= 0, and 0 where both softened outputs agree.

    Raises:
        UsageError: If the shapes differ or the temperature is not positive; give both networks the same classes.

    Source:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2.
    """
    if student_logits.dim() != 2 or student_logits.shape != teacher_logits.shape:
        raise UsageError(
            f"found student logits {list(student_logits.shape)} and teacher logits {list(teacher_logits.shape)}; "
            "expected the same [batch, classes]; give both networks the same number of classes"
        )
    if not temperature > 0:
        raise UsageError(f"found temperature {temperature}; expected a number above 0; 4 is usual")
    student = _log_softmax(student_logits, temperature)
    teacher = _log_softmax(teacher_logits, temperature)
    model, target = (teacher, student) if reverse else (student, teacher)
    divergence = F.kl_div(model, target, reduction="batchmean", log_target=True)
    return divergence * temperature**2 if squared_temperature else divergence


def _log_softmax(logits: Tensor, temperature: float) -> Tensor:
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return F.log_softmax(logits.to(dtype) / temperature, dim=1)
