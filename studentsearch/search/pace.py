"""The course that the multiply-accumulate count should take over a search."""

import math
from dataclasses import dataclass

from studentsearch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The course the multiply-accumulate count should take, from the teacher's to the last budget.

    Attributes:
        full_macs: The teacher's count.
        budget_macs: The last budget, in (0, full_macs].
        steps: The step near which the last budget is met, >= 1.
        exponent: Bends the course: above 1 it starts slower and ends faster, > 0.
    """

    full_macs: int
    budget_macs: int
    steps: int
    exponent: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a course that leads nowhere.

        Raises:
            UsageError: If the budget does not lie in (0, full], or steps or exponent are not positive.
        """
        if not 0 < self.budget_macs <= self.full_macs:
            raise UsageError(
                f"found a budget of {self.budget_macs} multiply-accumulates; expected 1 to the teacher's "
                f"{self.full_macs}; choose a smaller budget or a larger teacher"
            )
        if self.steps < 1 or not self.exponent > 0:
            raise UsageError(
                f"found {self.steps} steps and exponent {self.exponent}; expected at least 1 step and an exponent "
                "above 0; 1.0 is usual"
            )

    def target(self, step: int) -> float:
        """The count to have at `step`: full * (budget / full) ** ((step / steps) ** exponent).

        Args:
            step: Steps taken, >= 0; past `steps` the target goes on falling, so that a late search is still pressed.

        Returns:
            Multiply-accumulates, a float since it is only compared with.
        """
        share = (step / self.steps) ** self.exponent
        return self.full_macs * math.pow(self.budget_macs / self.full_macs, share)
