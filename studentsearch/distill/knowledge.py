"""What a network says about a batch: the one thing that every distillation loss compares."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Knowledge:
    """A network's answer, and its feature maps on the way there.

    Attributes:
        logits: `[B, K]`.
        points: Feature maps `[B, C_i, H_i, W_i]`, shallow to deep; empty for methods that need none.
    """

    logits: Tensor
    points: tuple[Tensor, ...] = ()


Term = Callable[[Knowledge, Knowledge, Tensor], Tensor]
"""From a student's and a teacher's knowledge and labels `[B]` to a scalar, averaged over the batch."""
