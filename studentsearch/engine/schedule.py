"""Learning rates as pure functions of the step.

A step here is the number of steps taken before it: the first step has 0, the last `total_steps - 1`.
"""

import math
from dataclasses import dataclass
from typing import Literal

from studentsearch.errors import UsageError


def warmup_factor(step: int, warmup_steps: int) -> float:
    """The share of the rate during a linear warm-up.

    Args:
        step: Steps taken before, 0 for the first.
        warmup_steps: Length of the warm-up; 0 for none.

    Returns:
        (step + 1) / warmup_steps, at most 1.
    """
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


def milestones(step: int, *, rate: float, milestones: tuple[int, ...], gamma: float) -> float:
    """A rate that is multiplied at each milestone.

    Args:
        step: Steps taken before, 0 for the first.
        rate: The first rate.
        milestones: Steps at which the rate changes.
        gamma: What it is multiplied by there.

    Returns:
        rate * gamma ** (milestones at or before the step).
    """
    return rate * math.prod(gamma for milestone in milestones if step >= milestone)


def cosine(step: int, *, total_steps: int, rate: float, final: float = 0.0) -> float:
    """A rate that falls along half a cosine.

    Args:
        step: Steps taken before, 0 for the first.
        total_steps: Where the fall ends, at least 1.
        rate: The first rate.
        final: The rate at and after `total_steps`.

    Returns:
        final + (rate - final) * (1 + cos(pi * step / total_steps)) / 2.

    Source:
        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5.
    """
    progress = min(step / total_steps, 1.0)
    return final + (rate - final) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A learning rate over a whole training.

    Attributes:
        kind: How the rate falls.
        rate: The rate after warm-up.
        total_steps: Steps of the training.
        milestones: Steps at which a "milestones" rate is multiplied by `gamma`.
        gamma: See `milestones`.
        warmup_steps: Steps of linear warm-up that multiply whatever the kind says.
        final: Where a "cosine" rate ends.
    """

    kind: Literal["cosine", "milestones", "constant"]
    rate: float
    total_steps: int
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    warmup_steps: int = 0
    final: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in {"cosine", "milestones", "constant"}:
            raise UsageError(f"schedule {self.kind!r} is unknown: expected cosine, milestones or constant")
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise UsageError(f"a learning rate of {self.rate}: expected a number above 0")
        if self.total_steps < 1 or not 0 <= self.warmup_steps <= self.total_steps:
            raise UsageError(
                f"{self.total_steps} steps with {self.warmup_steps} of warm-up: expected at least 1 step, and no "
                f"more of warm-up than there are"
            )

    def rate_at(self, step: int) -> float:
        """The rate of one step.

        Args:
            step: Steps taken before it, 0 for the first.

        Returns:
            The learning rate.
        """
        factor = warmup_factor(step, self.warmup_steps)
        match self.kind:
            case "cosine":
                return factor * cosine(step, total_steps=self.total_steps, rate=self.rate, final=self.final)
            case "milestones":
                return factor * milestones(step, rate=self.rate, milestones=self.milestones, gamma=self.gamma)
            case "constant":
                return factor * self.rate
