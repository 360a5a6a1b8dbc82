"""The search's data term: how far the gated copy is from the teacher, or from the labels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from studentsearch.divergence import distillation_kl
from studentsearch.search.recipe import Objective

__all__ = ["data_term", "distillation_kl"]


def data_term(objective: Objective, student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
    """The objective without its penalties, averaged over the batch, in nats.

    Args:
        objective: Which term.
        student_logits: `[B, C]`, of the gated copy.
        teacher_logits: `[B, C]`; not read by `np`.
        labels: `[B]`, int64 class numbers; not read by `kd`.

    Returns:
        Scalar, float32 at least, >= 0.

    Source:
        Gu and Tresp, "Search for Better Students to Learn Distilled Knowledge", 2020 (arXiv 2001.11612); KL's
        direction is that of the cross entropy to soft targets.
    """
    if objective.kind == "np":
        dtype = torch.promote_types(student_logits.dtype, torch.float32)
        return F.cross_entropy(student_logits.to(dtype), labels)
    divergence = distillation_kl(
        student_logits,
        teacher_logits,
        temperature=objective.temperature,
        squared_temperature=objective.squared_temperature,
        reverse=objective.reverse,
    )
    return divergence if objective.kl_target is None else (divergence - objective.kl_target).abs()
