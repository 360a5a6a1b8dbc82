"""What a training leaves: figures, states, and the roll-back where there was one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from studentsearch.runs.files import JsonValue


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
class RollBack:
    """A return to an earlier state after a training diverged.

    Attributes:
        to_step: The step whose state it went on from, 0 for the start.
        rate_factor: What the learning rate is multiplied by since.
    """

    to_step: int
    rate_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The outcome: the last state, the one best on the held-out images, and the roll-back where there was one."""

    last: Judged
    best: Judged
    last_state: dict[str, Tensor]
    best_state: dict[str, Tensor]
    roll_back: RollBack | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """Figures for a run's results."""
        figures: dict[str, JsonValue] = {"last": asdict(self.last), "best": asdict(self.best)}
        return figures if self.roll_back is None else figures | {"roll_back": asdict(self.roll_back)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilledStudent:
    """What a distillation left, accuracies in percent.

    Attributes:
        folder: The student folder with the last weights.
        before: Test accuracy of the student as it was cut; None for a network by name.
        teachers: Test accuracy of each teacher.
        last: Where training ended.
        best: Where it was best on the held-out images.
    """

    folder: Path
    before: float | None
    teachers: tuple[float, ...]
    last: Judged
    best: Judged
