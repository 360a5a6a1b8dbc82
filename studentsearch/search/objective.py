"""The search's data term: how far the gated copy is from the teacher, or from the labels."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from studentsearch.divergence import distillation_kl
from studentsearch.errors import UsageError

__all__ = ["Objective", "data_term", "distillation_kl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Which data term a search minimizes, and how its penalty weighs the gates.

    Attributes:
        kind: `kd` is the KL term to the teacher's softened outputs; `np` (network pruning) the cross entropy to the
            labels at temperature 1, for which the next four do not count.
        temperature: Of both softmax outputs, > 0.
        squared_temperature: Whether the KL term is multiplied by temperature ** 2; it changes what l2 means.
        reverse: Whether the term is KL(student || teacher).
        kl_target: K in nats, >= 0, where the term is |KL - K|; None for KL itself.
        flops_weights: Whether a gate's penalty weighs what closing it saves; False makes all weights 1.
    """

    kind: Literal["kd", "np"] = "kd"
    temperature: float = 4.0
    squared_temperature: bool = False
    reverse: bool = False
    kl_target: float | None = None
    flops_weights: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            UsageError: If the kind is unknown, the temperature not positive, or the KL target negative or given
                without a KL term.
        """
        if self.kind not in {"kd", "np"}:
            raise UsageError(f"found objective {self.kind!r}; expected kd or np; choose one")
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"found temperature {self.temperature}; expected a number above 0; 4 is usual")
        if self.kl_target is None:
            return
        if self.kind == "np":
            raise UsageError("found a KL target with objective np, which has no KL term; leave it out or choose kd")
        if not 0 <= self.kl_target < math.inf:
            raise UsageError(f"found KL target {self.kl_target}; expected 0 or more; a divergence is never negative")


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
