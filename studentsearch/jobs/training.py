"""Training of one network, for `teach` and `distill` alike: schedule, held-out choice, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from studentsearch.data.batches import Batches
from studentsearch.data.dataset import Images
from studentsearch.engine.evaluate import Evaluation
from studentsearch.engine.loop import run_steps
from studentsearch.engine.meter import Meter
from studentsearch.engine.objective import Moment, Objective
from studentsearch.engine.runtime import Runtime
from studentsearch.engine.schedule import Schedule
from studentsearch.errors import DivergedError
from studentsearch.finite import largest_magnitude, moving_tensors
from studentsearch.jobs.answers import ask
from studentsearch.jobs.chance import LossCourse, chance
from studentsearch.jobs.opening import OpenedData, judge
from studentsearch.jobs.outcome import Trained
from studentsearch.outputs import ALONE, OutputPlace
from studentsearch.progress import Progress
from studentsearch.records.metrics import cells, training_row
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.records.results import Reached, RollBack
from studentsearch.runs.folder import DAMAGED_CURE, RunFolder
from studentsearch.runs.tensors import require_fit

_USUAL_RATE = 0.1
# Where a training that works has left chance: ResNets on CIFAR-100 have 4 times chance after 100 steps.
_ENOUGH_STEPS = 100


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
        logits: OutputPlace = ALONE,
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
        self._module, self._objective, self._recipe, self._data = module, objective, recipe, data
        self._phase, self._runtime, self._progress, self._logits = phase, runtime, progress, logits
        self._batches = Batches(
            data.split.train,
            batch_size=recipe.batch,
            seed=seed,
            phase=phase,
            augmentation=data.augmentation,
            normalization=data.normalization,
            device=runtime.device,
        )
        self._total = recipe.steps or recipe.epochs * self._batches.steps_per_epoch
        self._schedule = Schedule(
            kind=recipe.schedule,
            rate=recipe.rate,
            total_steps=self._total,
            milestones=tuple(round(share * self._total) for share in recipe.milestones),
            warmup_steps=round(recipe.warmup * self._total),
        )
        self._parts = {"module": module, "objective": objective.trained}
        self._sgd = torch.optim.SGD(
            [parameter for _, parameter in self._parameters()],
            lr=recipe.rate,
            momentum=recipe.momentum,
            nesterov=recipe.momentum > 0,
            weight_decay=recipe.weight_decay,
        )
        self._meter = Meter()
        self._told: dict[str, float | int | str] = {}
        self._advice, self._step = advice, 0
        self._watched = moving_tensors(tuple(self._parts.values()))
        self._start = {part: _copied(module) for part, module in self._parts.items()}
        self._roll_back: RollBack | None = None
        self._forget()

    def _forget(self) -> None:
        """No state is the best yet, and no loss was seen."""
        self._chance = chance(self._data.split.held_out.labels)
        self._course = LossCourse(chance_loss=self._chance.loss)
        self._held_out: Evaluation | None = None
        self._best_accuracy, self._best_step = -1.0, 0
        self._best_state: dict[str, Tensor] = {}
        self._best_trained: dict[str, Tensor] = {}

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
            self._progress.begin(self._phase, total=self._total, first=self._step)
            run_steps(
                first=self._step,
                last=self._total,
                take_step=lambda number: self._take_step(number, run),
                save=lambda _: self._save(run),
                how_to_continue=f"the same command with --out {run.path}",
            )
            self._progress.end()
            if self._step == self._total:  # else it went back
                break
        last_state = _copied(self._module)
        last = self._judge(self._total)
        self._module.load_state_dict(self._best_state)
        best = self._judge(self._best_step)
        self._module.load_state_dict(last_state)
        return Trained(
            last=last, best=best, last_state=last_state, best_state=self._best_state, roll_back=self._roll_back
        )

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        for part, module in self._parts.items():
            for name, parameter in module.named_parameters():
                yield f"{part}.{name}", parameter

    @property
    def _rate_factor(self) -> float:
        return 1.0 if self._roll_back is None else self._roll_back.rate_factor

    def _take_step(self, step: int, run: RunFolder) -> bool:
        """Train on one batch; True where the training went back, so that another step is next."""
        if step != self._step + 1:  # a checkpoint of the step before found it diverged
            return True
        self._step = step
        self._meter.begin()
        batch = self._batches.batch(step - 1)
        for group in self._sgd.param_groups:
            group["lr"] = self._rate_at(step)
        moment = Moment(epoch=(step - 1) // self._batches.steps_per_epoch, share=(step - 1) / self._total)
        self._module.train()
        self._sgd.zero_grad()
        values = self._objective.backward(batch.inputs, batch.labels, moment)
        self._sgd.step()
        self._meter.keep(step, values)
        is_judged = step % self._batches.steps_per_epoch == 0 or step == self._total
        reason = self._record(run, is_judged=is_judged) if is_judged or self._meter.is_due else None
        if reason is None and step == self._total:
            reason = self._reason_at_end()
        if reason is not None:
            self._go_back(reason, run)
            return True
        self._progress.advance(step, self._told)
        return False

    def _rate_at(self, step: int) -> float:
        """The learning rate of the step of that number, from 1."""
        return self._schedule.rate_at(step - 1) * self._rate_factor

    def _record(self, run: RunFolder, *, is_judged: bool = False) -> str | None:
        """Read what the last steps left, and write their rows; the last one's may hold a held-out accuracy.

        Returns:
            Why the training has diverged, None where it has not; no row holds what is not finite.
        """
        read = self._meter.read(batch=self._recipe.batch, beside=lambda: largest_magnitude(self._watched))
        readings, is_finite = read.steps, math.isfinite(read.beside)
        for reading in readings:
            wrong = self._course.observe(reading.values)
            if wrong is not None:
                return f"step {reading.step}: {wrong}"
            is_last = reading is readings[-1]
            row = training_row(
                reading.values,
                step=reading.step,
                epoch=self._epoch(reading.step),
                rate=self._rate_at(reading.step),
                accuracy_held_out=self._choose(reading.step) if is_judged and is_last and is_finite else None,
                seconds=reading.seconds,
                images_per_second=reading.images_per_second,
            )
            run.append_metrics(cells(row))
        if readings:
            known = {name: value for name, value in readings[-1].values.items() if math.isfinite(value)}
            self._told = {**known, "images_per_second": readings[-1].images_per_second}
        if self._best_accuracy >= 0:
            self._told["best_held_out"] = self._best_accuracy
        return None if is_finite else f"step {self._step}: weights or running statistics are no longer finite"

    def _reason_at_end(self) -> str | None:
        """Why the training has diverged though all is finite; an error where its network never left chance.

        Returns:
            The reason; None where there is none, or where the training was too short to tell.

        Raises:
            DivergedError: It has learnt nothing, which half the rate would not change; give another rate.
        """
        evaluation = self._held_out
        if evaluation is None or not self._chance.explains(evaluation):
            return None
        reason = f"step {self._step}: {self._chance.words(evaluation)}"
        if self._course.has_risen or ask(self._module, self._data, self._runtime, logits=self._logits).are_alike:
            return reason
        if self._total >= _ENOUGH_STEPS:
            raise DivergedError(
                f"{reason}: it has learnt nothing in {self._total:,} steps at rate {self._recipe.rate:g}; take another "
                f"--rate ({_USUAL_RATE:g} is usual) or more --epochs, and look at images and labels{self._advice}"
            )
        self._progress.say(f"warning: {reason}; {self._total} steps are too few to say why; give more --epochs")
        return None

    def _go_back(self, reason: str, run: RunFolder) -> None:
        """Return to the best state, or to the start where none was above chance, and halve the rate.

        Both are the same wherever checkpoints happened to be written, so that a continued run takes the same course.

        Raises:
            DivergedError: The rate was halved before, or cannot be the cause: the loss of the first step has no rate.
        """
        if self._course.first_loss is None:
            raise DivergedError(
                f"{reason} before any learning rate counts; look at weights, --mean and --std{self._advice}"
            )
        if self._roll_back is not None:
            rate, first = self._recipe.rate, self._roll_back.to_step
            raise DivergedError(
                f"{reason}; so it was at rate {rate:g} and, from step {first} on, at half of it; lower --rate to "
                f"{min(_USUAL_RATE, rate / 10):g} or lengthen --warmup{self._advice}"
            )
        states = {"module": self._best_state, "objective": self._best_trained}
        if self._best_accuracy <= self._chance.largest_accuracy:
            self._forget()
            states = self._start
        for part, module in self._parts.items():
            module.load_state_dict(states[part])
        self._sgd.state.clear()
        self._step = self._best_step
        self._roll_back = RollBack(to_step=self._step, rate_factor=0.5)
        self._course = LossCourse(chance_loss=self._chance.loss)
        self._meter = Meter(seconds=self._meter.seconds)
        self._progress.say(
            f"{reason}; going back to step {self._step} with half the learning rate ({self._recipe.rate / 2:g})"
        )
        run.rewind_metrics(after_step=self._step)
        for _ in range(2):  # both that are kept: an older one belongs to rows that are about to go
            self._write_checkpoint(run)

    def _epoch(self, step: int) -> float:
        return round(step / self._batches.steps_per_epoch, 3)

    def _choose(self, step: int) -> float:
        """Accuracy on the held-out images; the state is kept where it is the best so far (the later of equals)."""
        images, normalization = self._data.split.held_out, self._data.normalization
        self._held_out = judge(self._module, images, normalization, self._runtime, self._logits)
        accuracy = self._held_out.accuracy
        if accuracy >= self._best_accuracy:
            self._best_accuracy, self._best_step, self._best_state = accuracy, step, _copied(self._module)
            self._best_trained = _copied(self._objective.trained)
        return accuracy

    def _judge(self, step: int) -> Reached:
        return Reached(
            step=step,
            epoch=self._epoch(step),
            accuracy_held_out=self._accuracy(self._data.split.held_out),
            accuracy_test=self._accuracy(self._data.dataset.test),
        )

    def _accuracy(self, images: Images) -> float:
        return judge(self._module, images, self._data.normalization, self._runtime, self._logits).accuracy

    def _save(self, run: RunFolder) -> None:
        """Write a checkpoint, of the state that it went back to where the training has diverged by now."""
        reason = self._record(run)
        if reason is not None:
            self._go_back(reason, run)
        self._write_checkpoint(run)

    def _write_checkpoint(self, run: RunFolder) -> None:
        tensors = {f"best.{name}": tensor for name, tensor in self._best_state.items()}
        tensors |= {f"best_trained.{name}": tensor for name, tensor in self._best_trained.items()}
        for part, module in self._parts.items():
            tensors |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
        for name, parameter in self._parameters():
            buffer = self._sgd.state[parameter].get("momentum_buffer")
            if buffer is not None:
                tensors[f"momentum.{name}"] = buffer
        state = _TrainingState(
            seconds=self._meter.seconds,
            best_accuracy=self._best_accuracy,
            best_step=self._best_step,
            course=self._course,
            roll_back=self._roll_back,
        )
        run.save_checkpoint(self._step, tensors, state)

    def _continue(self, run: RunFolder) -> None:
        checkpoint = run.load_checkpoint(_TrainingState, self._progress.say)
        if checkpoint is None:
            return
        tensors, state = checkpoint.tensors, checkpoint.facts
        require_fit(tensors, self._expected(tensors), source=str(checkpoint.file), cure=DAMAGED_CURE)
        for part, module in self._parts.items():
            module.load_state_dict(_below(tensors, f"{part}."))
        self._best_state = _laid_out(_below(tensors, "best."), self._module)
        self._best_trained = _laid_out(_below(tensors, "best_trained."), self._objective.trained)
        for name, parameter in self._parameters():
            buffer = tensors.get(f"momentum.{name}")
            if buffer is not None:
                self._sgd.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(buffer)
        self._meter = Meter(seconds=state.seconds)
        self._best_accuracy, self._best_step = state.best_accuracy, state.best_step
        self._course, self._roll_back = state.course, state.roll_back
        self._step = checkpoint.step

    def _expected(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a checkpoint must hold; a best state and momentum only where it has some."""
        expected: dict[str, Tensor] = {}
        for part, module in self._parts.items():
            expected |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
        best = {"best": self._module, "best_trained": self._objective.trained}
        for part, module in best.items():
            if any(name.startswith("best.") for name in tensors):
                expected |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
        momentum = {f"momentum.{name}": parameter for name, parameter in self._parameters()}
        return expected | {name: parameter for name, parameter in momentum.items() if name in tensors}


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def _laid_out(tensors: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Tensors in a module's own memory layout: kernels of another one round otherwise where a student is checked."""
    layout = module.state_dict()
    return {name: torch.empty_like(layout[name], device="cpu").copy_(tensor) for name, tensor in tensors.items()}


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
