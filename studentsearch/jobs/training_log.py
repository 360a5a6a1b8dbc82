"""The course of a training as it is written and told: figures read from the device now and then, rows, progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from studentsearch.engine.meter import Meter, Reading
from studentsearch.finite import largest_magnitude
from studentsearch.jobs.chance_level import LossCourse
from studentsearch.jobs.training_plan import TrainingPlan
from studentsearch.records.metrics import cells, training_row
from studentsearch.runs.folder import RunFolder


class TrainingLog:
    """Keeps what steps left, reads it from the device together, and writes a row a step.

    Attributes:
        course: How the loss went so far.
        told: What the progress shows.
    """

    def __init__(self, plan: TrainingPlan, watched: Sequence[Tensor], *, chance_loss: float) -> None:
        """Start before the first step.

        Args:
            plan: Length and learning rates.
            watched: Weights and statistics that must stay finite.
            chance_loss: Cross entropy of guessing, in nats.
        """
        self._plan, self._watched, self._meter = plan, tuple(watched), Meter()
        self.course = LossCourse(chance_loss=chance_loss)
        self.told: dict[str, float | int | str] = {}

    @property
    def seconds(self) -> float:
        """Time of training so far."""
        return self._meter.seconds

    @property
    def is_due(self) -> bool:
        """Whether figures have waited long enough to be read."""
        return self._meter.is_due

    def resume(self, *, seconds: float, course: LossCourse) -> None:
        """Go on from an earlier moment.

        Args:
            seconds: Time of training until then.
            course: Of the loss until then.
        """
        self._meter, self.course = Meter(seconds=seconds), course

    def begin_step(self) -> None:
        """A step begins."""
        self._meter.begin()

    def keep(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Keep the scalars of a step on their device."""
        self._meter.keep(step, values)

    def read(
        self, run: RunFolder, *, step: int, rate_factor: float, evaluate: Callable[[int], float] | None
    ) -> str | None:
        """Read what the last steps left, and write their rows.

        Args:
            run: Holds metrics.csv.
            step: Steps taken.
            rate_factor: What the planned learning rates are multiplied by.
            evaluate: From the last of these steps to the held-out accuracy of its row; None leaves it out.

        Returns:
            Why the training has diverged, None where it has not; no row holds what is not finite.
        """
        read = self._meter.read(batch=self._plan.recipe.batch, beside=lambda: largest_magnitude(self._watched))
        readings, is_finite = read.steps, math.isfinite(read.beside)
        for reading in readings:
            wrong = self.course.observe(reading.values)
            if wrong is not None:
                return f"step {reading.step}: {wrong}"
            is_last = reading is readings[-1]
            accuracy = evaluate(reading.step) if evaluate is not None and is_last and is_finite else None
            self._write(reading, run, rate_factor=rate_factor, accuracy_held_out=accuracy)
        if readings:
            known = {name: value for name, value in readings[-1].values.items() if math.isfinite(value)}
            self.told = {**known, "images_per_second": readings[-1].images_per_second}
        return None if is_finite else f"step {step}: weights or running statistics are no longer finite"

    def _write(self, reading: Reading, run: RunFolder, *, rate_factor: float, accuracy_held_out: float | None) -> None:
        row = training_row(
            reading.values,
            step=reading.step,
            epoch=self._plan.epoch(reading.step),
            rate=self._plan.rate_at(reading.step) * rate_factor,
            accuracy_held_out=accuracy_held_out,
            seconds=reading.seconds,
            images_per_second=reading.images_per_second,
        )
        run.append_metrics(cells(row))
