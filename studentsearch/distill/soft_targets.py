"""Distillation by soft targets, with which the search paper teaches its students."""

import torch
from torch import Tensor
from torch.nn import functional as F

from studentsearch.divergence import distillation_kl
from studentsearch.errors import UsageError


def soft_target_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    hard_weight: float = 0.1,
    temperature: float = 4.0,
    squared_temperature: bool = True,
    reverse: bool = False,
) -> Tensor:
    """hard_weight * cross entropy + (1 - hard_weight) * KL to the softened teacher, averaged over the batch, in nats.

    The search paper mixes soft and hard target "with lambda = 0.1" and does not say which of the two lambda weighs.
    Here it is the hard target's weight, since Hinton et al. found a considerably lower weight on the hard target best.

    Args:
        student_logits: `[B, C]`.
        teacher_logits: `[B, C]`; compute them without gradient.
        labels: `[B]`, int64 class numbers.
        hard_weight: lambda, in [0, 1]: 1 is cross entropy alone, 0 the teacher alone.
        temperature: Of both softmax outputs in the KL term, > 0; the cross entropy is at temperature 1.
        squared_temperature: Whether the KL term is multiplied by temperature ** 2, as Hinton et al. do.
        reverse: Whether the soft term is KL(student || teacher).

    Returns:
        Scalar, float32 at least, >= 0.

    Raises:
        UsageError: If the weight lies outside [0, 1]; shapes and temperature are checked by `distillation_kl`.

    Source:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2; Gu and Tresp,
        "Search for Better Students to Learn Distilled Knowledge", 2020 (arXiv 2001.11612), for the values.
    """
    if not 0 <= hard_weight <= 1:
        raise UsageError(f"found hard-target weight {hard_weight}; expected a number from 0 to 1; 0.1 is published")
    soft = distillation_kl(
        student_logits,
        teacher_logits,
        temperature=temperature,
        squared_temperature=squared_temperature,
        reverse=reverse,
    )
    dtype = torch.promote_types(student_logits.dtype, torch.float32)
    hard = F.cross_entropy(student_logits.to(dtype), labels)
    return hard_weight * hard + (1 - hard_weight) * soft
