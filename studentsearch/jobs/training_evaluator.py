"""What a network that is trained reaches: accuracy on held-out and test images, beside that of guessing."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from studentsearch.data.dataset import Images
from studentsearch.engine.evaluate import Evaluation
from studentsearch.engine.runtime import Runtime
from studentsearch.errors import DivergedError
from studentsearch.jobs.answers import ask
from studentsearch.jobs.chance_level import LossCourse, chance
from studentsearch.jobs.opening import OpenedData, evaluate_on
from studentsearch.jobs.training_plan import TrainingPlan
from studentsearch.outputs import OutputPath
from studentsearch.records.results import Reached

USUAL_RATE = 0.1
# Where a training that works has left chance: ResNets on CIFAR-100 have 4 times chance after 100 steps.
_ENOUGH_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a network is at chance after its training.

    Attributes:
        reason: In one line.
        has_diverged: Whether the training has diverged, rather than was too short to tell.
    """

    reason: str
    has_diverged: bool


class TrainingEvaluator:
    """Evaluates one network while it is trained."""

    def __init__(self, module: nn.Module, data: OpenedData, runtime: Runtime, logits: OutputPath) -> None:
        """Name what is evaluated.

        Args:
            module: The network, on the runtime's device.
            data: The images.
            runtime: Where and how precisely to compute.
            logits: Where the logits stand in what the network returns in evaluation mode.
        """
        self._module, self._data, self._runtime, self._logits = module, data, runtime, logits
        self.chance = chance(data.split.held_out.labels)

    def held_out(self) -> Evaluation:
        """On the held-out training images."""
        return self._evaluate(self._data.split.held_out)

    def _evaluate(self, images: Images) -> Evaluation:
        return evaluate_on(self._module, images, self._data.normalization, self._runtime, self._logits)

    def reached(self, step: int, plan: TrainingPlan) -> Reached:
        """Accuracies on held-out and test images.

        Args:
            step: Steps taken.
            plan: Of the training.

        Returns:
            Both, with where the training stands.
        """
        test = self._evaluate(self._data.dataset.test)
        return Reached(
            step=step,
            epoch=plan.epoch(step),
            accuracy_held_out=self.held_out().accuracy,
            accuracy_test=test.accuracy,
        )

    def failure(
        self, evaluation: Evaluation | None, course: LossCourse, plan: TrainingPlan, *, advice: str
    ) -> Failure | None:
        """Why a training whose figures are all finite went wrong.

        Args:
            evaluation: The last one, on the held-out images.
            course: Of the loss.
            plan: Of the training.
            advice: What else to look at.

        Returns:
            None where the network is above chance.

        Raises:
            DivergedError: It has learnt nothing, which half the learning rate would not change; give another rate.
        """
        if evaluation is None or not self.chance.explains(evaluation):
            return None
        reason = f"step {plan.total}: {self.chance.words(evaluation)}"
        if course.has_risen or ask(self._module, self._data, self._runtime, logits=self._logits).are_alike:
            return Failure(reason=reason, has_diverged=True)
        if plan.total >= _ENOUGH_STEPS:
            raise DivergedError(
                f"{reason}: it has learnt nothing in {plan.total:,} steps at rate {plan.recipe.rate:g}; take another "
                f"--rate ({USUAL_RATE:g} is usual) or more --epochs, and look at images and labels{advice}"
            )
        words = f"{reason}; {plan.total} steps are too few to say why; give more --epochs"
        return Failure(reason=words, has_diverged=False)
