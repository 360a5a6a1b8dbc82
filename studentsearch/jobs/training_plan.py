"""How long a training is and what holds at each of its steps."""

from __future__ import annotations

from dataclasses import dataclass

from studentsearch.engine.objective import Moment
from studentsearch.engine.schedule import Schedule
from studentsearch.records.recipe import TrainingRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """The steps of a training, numbered from 1.

    Attributes:
        recipe: How a network is trained.
        steps_per_epoch: Steps of one pass over the training images.
    """

    recipe: TrainingRecipe
    steps_per_epoch: int

    @property
    def total(self) -> int:
        """The number of steps."""
        return self.recipe.steps or self.recipe.epochs * self.steps_per_epoch

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        recipe, total = self.recipe, self.total
        schedule = Schedule(
            kind=recipe.schedule,
            rate=recipe.rate,
            total_steps=total,
            milestones=tuple(round(share * total) for share in recipe.milestones),
            warmup_steps=round(recipe.warmup * total),
        )
        return schedule.rate_at(step - 1)

    def moment(self, step: int) -> Moment:
        """Where the training stands before a step."""
        return Moment(epoch=(step - 1) // self.steps_per_epoch, share=(step - 1) / self.total)

    def epoch(self, step: int) -> float:
        """Passes over the training images until the end of a step, with fraction."""
        return round(step / self.steps_per_epoch, 3)

    def is_evaluated(self, step: int) -> bool:
        """Whether the network is evaluated on the held-out images after a step: at the end of each epoch, and last."""
        return step % self.steps_per_epoch == 0 or step == self.total
