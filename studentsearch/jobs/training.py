"""Training of one network, for `teach` and `distill` alike: schedule, held-out choice, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from studentsearch.data.batches import Batches
from studentsearch.data.dataset import Images
from studentsearch.engine.loop import run_steps
from studentsearch.engine.meter import Meter
from studentsearch.engine.objective import Moment, Objective
from studentsearch.engine.runtime import Runtime
from studentsearch.engine.schedule import Schedule
from studentsearch.errors import DivergedError
from studentsearch.jobs.opening import OpenedData, judge
from studentsearch.jobs.recipe import TrainingRecipe
from studentsearch.outputs import ALONE, OutputPlace
from studentsearch.progress import Progress
from studentsearch.runs.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A network at some point of its training, accuracies in percent.

    Attributes:
        step: Steps taken.
        epoch: Passes over the training images, with fraction.
        accuracy_held_out: On the held-out training images, by which the best is chosen.
        accuracy_test: On the test images, which choose nothing.
    """

    step: int
    epoch: float
    accuracy_held_out: float
    accuracy_test: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The outcome: the last state, and the one best on the held-out images."""

    last: Judged
    best: Judged
    last_state: dict[str, Tensor]
    best_state: dict[str, Tensor]


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
        self._best_accuracy = -1.0
        self._best_step = 0
        self._best_state: dict[str, Tensor] = {}

    def run(self, run: RunFolder) -> Trained:
        """Train to the end, from the last checkpoint if there is one.

        Args:
            run: Holds checkpoints and metrics.

        Returns:
            Last and best state, both judged on the test images.
        """
        first = self._continue(run)
        self._progress.begin(self._phase, total=self._total, first=first)
        run_steps(
            first=first,
            last=self._total,
            take_step=lambda number: self._take_step(number, run),
            save=lambda number: self._save(number, run),
            how_to_continue=f"the same command with --out {run.path}",
        )
        self._progress.end()
        last_state = _copied(self._module)
        last = self._judge(self._total)
        self._module.load_state_dict(self._best_state)
        best = self._judge(self._best_step)
        self._module.load_state_dict(last_state)
        return Trained(last=last, best=best, last_state=last_state, best_state=self._best_state)

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        for part, module in self._parts.items():
            for name, parameter in module.named_parameters():
                yield f"{part}.{name}", parameter

    def _take_step(self, step: int, run: RunFolder) -> bool:
        self._meter.begin()
        batch = self._batches.batch(step - 1)
        for group in self._sgd.param_groups:
            group["lr"] = self._schedule.rate_at(step - 1)
        moment = Moment(epoch=(step - 1) // self._batches.steps_per_epoch, share=(step - 1) / self._total)
        self._module.train()
        self._sgd.zero_grad()
        values = self._objective.backward(batch.inputs, batch.labels, moment)
        self._sgd.step()
        self._meter.keep(step, values)
        is_judged = step % self._batches.steps_per_epoch == 0 or step == self._total
        if is_judged or self._meter.is_due:
            self._record(run, is_judged=is_judged)
        self._progress.advance(step, self._told)
        return False

    def _record(self, run: RunFolder, *, is_judged: bool = False) -> None:
        """Read what the last steps left, and write their rows; the last one's may hold a held-out accuracy."""
        readings = self._meter.read(batch=self._recipe.batch)
        for reading in readings:
            loss = reading.values["loss"]
            if not math.isfinite(loss):
                raise DivergedError(f"step {reading.step}: the loss is {loss}; lower --rate or lengthen --warmup")
            is_last = reading is readings[-1]
            run.append_metrics({
                "step": reading.step,
                "epoch": self._epoch(reading.step),
                **{name: value if math.isfinite(value) else None for name, value in reading.values.items()},
                "rate": self._schedule.rate_at(reading.step - 1),
                "accuracy_held_out": self._choose(reading.step) if is_judged and is_last else None,
                "seconds": reading.seconds,
                "images_per_second": reading.images_per_second,
            })
        if readings:
            known = {name: value for name, value in readings[-1].values.items() if math.isfinite(value)}
            self._told = {**known, "images_per_second": readings[-1].images_per_second}
        if self._best_accuracy >= 0:
            self._told["best_held_out"] = self._best_accuracy

    def _epoch(self, step: int) -> float:
        return round(step / self._batches.steps_per_epoch, 3)

    def _choose(self, step: int) -> float:
        """Accuracy on the held-out images; the state is kept where it is the best so far (the later of equals)."""
        accuracy = self._accuracy(self._data.split.held_out)
        if accuracy >= self._best_accuracy:
            self._best_accuracy, self._best_step, self._best_state = accuracy, step, _copied(self._module)
        return accuracy

    def _judge(self, step: int) -> Judged:
        return Judged(
            step=step,
            epoch=self._epoch(step),
            accuracy_held_out=self._accuracy(self._data.split.held_out),
            accuracy_test=self._accuracy(self._data.dataset.test),
        )

    def _accuracy(self, images: Images) -> float:
        return judge(self._module, images, self._data.normalization, self._runtime, self._logits).accuracy

    def _save(self, step: int, run: RunFolder) -> None:
        self._record(run)
        tensors = {f"best.{name}": tensor for name, tensor in self._best_state.items()}
        for part, module in self._parts.items():
            tensors |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
        for name, parameter in self._parameters():
            buffer = self._sgd.state[parameter].get("momentum_buffer")
            if buffer is not None:
                tensors[f"momentum.{name}"] = buffer
        facts = {"seconds": self._meter.seconds, "best_accuracy": self._best_accuracy, "best_step": self._best_step}
        run.save_checkpoint(step, tensors, facts)

    def _continue(self, run: RunFolder) -> int:
        checkpoint = run.load_checkpoint()
        if checkpoint is None:
            return 0
        tensors, facts = checkpoint.tensors, checkpoint.facts
        for part, module in self._parts.items():
            module.load_state_dict(_below(tensors, f"{part}."))
        self._best_state = _below(tensors, "best.")
        for name, parameter in self._parameters():
            buffer = tensors.get(f"momentum.{name}")
            if buffer is not None:
                self._sgd.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(buffer)
        self._meter = Meter(seconds=float(str(facts["seconds"])))
        self._best_accuracy, self._best_step = float(str(facts["best_accuracy"])), int(str(facts["best_step"]))
        run.cut_metrics(after_step=checkpoint.step)
        return checkpoint.step


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
