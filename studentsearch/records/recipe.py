"""How a network is trained: what a user chooses, and what the run's manifest holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from studentsearch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """How a network is trained.

    Attributes:
        epochs: Passes over the training images; ignored where `steps` is given.
        steps: Steps in all; None means `epochs`.
        batch: Images a step.
        rate: Learning rate after warm-up.
        schedule: How the learning rate falls.
        milestones: Where a "milestones" rate is divided by 10, as shares of the training.
        warmup: Length of the linear warm-up, as a share of the training.
        momentum: Nesterov momentum.
        weight_decay: On all parameters.
    """

    epochs: int = 300
    steps: int | None = None
    batch: int = 128
    rate: float = 0.1
    schedule: Literal["cosine", "milestones", "constant"] = "milestones"
    milestones: tuple[float, ...] = (0.5, 0.75)
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            UsageError: No steps or images, a rate that is not positive, or momentum, decay or shares out of range.
        """
        if self.epochs < 1 or (self.steps is not None and self.steps < 1):
            raise UsageError(f"found {self.epochs} epochs and {self.steps} steps; expected at least 1")
        if self.batch < 1:
            raise UsageError(f"found batches of {self.batch} images; expected at least 1; 128 is usual")
        if not 0 <= self.momentum < 1:
            raise UsageError(f"found momentum {self.momentum}; expected a number from 0 to below 1; 0.9 is usual")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(
                f"found weight decay {self.weight_decay}; expected a finite number of 0 or more; 1e-4 is usual"
            )
        if not 0 < self.rate < math.inf:
            raise UsageError(f"found learning rate {self.rate}; expected a number above 0; 0.1 is usual")
        if not all(0 < share < 1 for share in self.milestones) or not 0 <= self.warmup < 1:
            raise UsageError(
                f"found milestones {self.milestones} and warm-up {self.warmup}; expected shares between 0 and 1"
            )
