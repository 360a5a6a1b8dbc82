"""Training of one network, for `teach` and `distill` alike: schedule, held-out choice, roll-back, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from studentsearch.engine.evaluate import Evaluation
from studentsearch.engine.loop import run_steps
from studentsearch.engine.objective import Objective
from studentsearch.engine.runtime import Runtime
from studentsearch.engine.training_state import TrainingState, named_parameters
from studentsearch.errors import DivergedError
from studentsearch.finite import moving_tensors
from studentsearch.jobs.best_state import BestState, copied_state
from studentsearch.jobs.chance_level import LossCourse
from studentsearch.jobs.opening import OpenedData, training_batches
from studentsearch.jobs.outcome import Trained
from studentsearch.jobs.training_evaluator import USUAL_RATE, TrainingEvaluator
from studentsearch.jobs.training_log import TrainingLog
from studentsearch.jobs.training_plan import TrainingPlan
from studentsearch.outputs import ALONE, OutputPath
from studentsearch.progress import Progress
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.records.results import RollBack
from studentsearch.runs.folder import DAMAGED_CURE, RunFolder
from studentsearch.runs.tensors import require_fit


@dataclass(frozen=True, slots=True, kw_only=True)
class _TrainingState:
    """What a checkpoint holds beside the tensors."""

    seconds: float
    best_accuracy: float
    best_step: int
    course: LossCourse
    roll_back: RollBack | None


class Training:
    """One training: what is fixed, and the state that moves."""

    def __init__(
        self,
        module: nn.Module,
        objective: Objective,
        recipe: TrainingRecipe,
        data: OpenedData,
        *,
        phase: str,
        seed: int,
        runtime: Runtime,
        progress: Progress,
        logits: OutputPath = ALONE,
        advice: str = "",
    ) -> None:
        """Prepare the batches and the optimizer.

        Args:
            module: The network, on the runtime's device; it is trained in place.
            objective: What is minimised; it calls the network itself.
            recipe: How.
            data: The images; the held-out tenth chooses.
            phase: Name of the training in the run's randomness and progress.
            seed: Seed of order and augmentation.
            runtime: Where and how precisely to compute.
            progress: Hears of every step.
            logits: Where the logits stand in what the network returns in evaluation mode.
            advice: What else to look at where the training diverges, such as a temperature far from the usual.
        """
        self._module, self._objective, self._phase, self._progress = module, objective, phase, progress
        self._batches = training_batches(data, phase=phase, batch_size=recipe.batch, seed=seed, runtime=runtime)
        self._plan = TrainingPlan(recipe=recipe, steps_per_epoch=self._batches.steps_per_epoch)
        self._parts = {"module": module, "objective": objective.trained}
        self._sgd = torch.optim.SGD(
            [parameter for _, parameter in named_parameters(self._parts)],
            lr=recipe.rate,
            momentum=recipe.momentum,
            nesterov=recipe.momentum > 0,
            weight_decay=recipe.weight_decay,
        )
        self._moving, self._best = TrainingState(self._parts, self._sgd), BestState(self._parts)
        self._start = {part: copied_state(module) for part, module in self._parts.items()}
        self._advice, self._step = advice, 0
        self._evaluator = TrainingEvaluator(module, data, runtime, logits)
        watched = moving_tensors(tuple(self._parts.values()))
        self._log = TrainingLog(self._plan, watched, chance_loss=self._evaluator.chance.loss)
        self._held_out: Evaluation | None = None
        self._roll_back: RollBack | None = None

    def run(self, run: RunFolder) -> Trained:
        """Train to the end, from the last checkpoint if there is one.

        Args:
            run: Holds checkpoints and metrics.

        Returns:
            Last and best state, both evaluated on the test images.

        Raises:
            DivergedError: Loss, weights or statistics are no longer finite, or the network ends at chance, after one
                roll-back at half the rate as well; lower the rate.
        """
        self._continue(run)
        while True:
            self._progress.begin(self._phase, total=self._plan.total, first=self._step)
            run_steps(
                first=self._step,
                last=self._plan.total,
                take_step=lambda number: self._take_step(number, run),
                save=lambda _: self._save(run),
                how_to_continue=f"the same command with --out {run.path}",
            )
            self._progress.end()
            if self._step == self._plan.total:  # else it went back
                break
        last_state, best_state = copied_state(self._module), self._best.states["module"]
        last = self._evaluator.reached(self._plan.total, self._plan)
        self._module.load_state_dict(best_state)
        best = self._evaluator.reached(self._best.step, self._plan)
        self._module.load_state_dict(last_state)
        return Trained(last=last, best=best, last_state=last_state, best_state=best_state, roll_back=self._roll_back)

    @property
    def _rate_factor(self) -> float:
        return 1.0 if self._roll_back is None else self._roll_back.rate_factor

    def _take_step(self, step: int, run: RunFolder) -> bool:
        """Train on one batch; True where the training went back, so that another step is next."""
        if step != self._step + 1:  # a checkpoint of the step before found it diverged
            return True
        self._step = step
        self._log.begin_step()
        batch = self._batches.batch(step - 1)
        for group in self._sgd.param_groups:
            group["lr"] = self._plan.rate_at(step) * self._rate_factor
        self._module.train()
        self._sgd.zero_grad()
        values = self._objective.backward(batch.inputs, batch.labels, self._plan.moment(step))
        self._sgd.step()
        self._log.keep(step, values)
        is_evaluated = self._plan.is_evaluated(step)
        reason = self._record(run, is_evaluated=is_evaluated) if is_evaluated or self._log.is_due else None
        if reason is None and step == self._plan.total:
            reason = self._reason_at_end()
        if reason is not None:
            self._go_back(reason, run)
            return True
        self._progress.advance(step, self._log.told)
        return False

    def _record(self, run: RunFolder, *, is_evaluated: bool = False) -> str | None:
        """Write the rows of the last steps; the reason where they show that the training has diverged."""
        evaluate = self._choose if is_evaluated else None
        reason = self._log.read(run, step=self._step, rate_factor=self._rate_factor, evaluate=evaluate)
        if self._best.accuracy >= 0:
            self._log.told["best_held_out"] = self._best.accuracy
        return reason

    def _reason_at_end(self) -> str | None:
        """Why the training has diverged though all is finite."""
        failure = self._evaluator.failure(self._held_out, self._log.course, self._plan, advice=self._advice)
        if failure is None or failure.has_diverged:
            return None if failure is None else failure.reason
        self._progress.say(f"warning: {failure.reason}")
        return None

    def _go_back(self, reason: str, run: RunFolder) -> None:
        """Return to the best state, or to the start where none was above chance, and halve the rate.

        Both are the same wherever checkpoints happened to be written, so that a continued run takes the same course.

        Raises:
            DivergedError: The rate was halved before, or cannot be the cause: the loss of the first step has no rate.
        """
        if self._log.course.first_loss is None:
            raise DivergedError(
                f"{reason} before any learning rate counts; look at weights, --mean and --std{self._advice}"
            )
        if self._roll_back is not None:
            rate, first = self._plan.recipe.rate, self._roll_back.to_step
            raise DivergedError(
                f"{reason}; so it was at rate {rate:g} and, from step {first} on, at half of it; lower --rate to "
                f"{min(USUAL_RATE, rate / 10):g} or lengthen --warmup{self._advice}"
            )
        if self._best.accuracy <= self._evaluator.chance.largest_accuracy:
            self._best.forget()
            self._held_out = None
        for part, module in self._parts.items():
            module.load_state_dict((self._best.states or self._start)[part])
        self._sgd.state.clear()
        self._step = self._best.step
        self._roll_back = RollBack(to_step=self._step, rate_factor=0.5)
        self._log.resume(seconds=self._log.seconds, course=LossCourse(chance_loss=self._evaluator.chance.loss))
        self._progress.say(
            f"{reason}; going back to step {self._step} with half the learning rate ({self._plan.recipe.rate / 2:g})"
        )
        run.rewind_metrics(after_step=self._step)
        for _ in range(2):  # both that are kept: an older one belongs to rows that are about to go
            self._write_checkpoint(run)

    def _choose(self, step: int) -> float:
        """Accuracy on the held-out images, by which the best state is kept."""
        self._held_out = self._evaluator.held_out()
        self._best.consider(self._held_out.accuracy, step)
        return self._held_out.accuracy

    def _save(self, run: RunFolder) -> None:
        """Write a checkpoint, of the state that it went back to where the training has diverged by now."""
        reason = self._record(run)
        if reason is not None:
            self._go_back(reason, run)
        self._write_checkpoint(run)

    def _write_checkpoint(self, run: RunFolder) -> None:
        state = _TrainingState(
            seconds=self._log.seconds,
            best_accuracy=self._best.accuracy,
            best_step=self._best.step,
            course=self._log.course,
            roll_back=self._roll_back,
        )
        run.save_checkpoint(self._step, self._moving.state_dict() | self._best.state_dict(), state)

    def _continue(self, run: RunFolder) -> None:
        checkpoint = run.load_checkpoint(_TrainingState, self._progress.say)
        if checkpoint is None:
            return
        tensors, state = checkpoint.tensors, checkpoint.facts
        expected = self._moving.expected(tensors) | self._best.expected(tensors)
        require_fit(tensors, expected, source=str(checkpoint.file), cure=DAMAGED_CURE)
        self._moving.load_state_dict(tensors)
        self._best.load_state_dict(tensors, accuracy=state.best_accuracy, step=state.best_step)
        self._log.resume(seconds=state.seconds, course=state.course)
        self._step, self._roll_back = checkpoint.step, state.roll_back
