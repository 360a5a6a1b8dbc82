"""What a finished run found, as manifest.json holds it under `results`; accuracies in percent."""

from __future__ import annotations

from dataclasses import dataclass, field

from studentsearch.decoding import LEFT_OUT
from studentsearch.records.bounds import Amount, Percent, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStudent:
    """One student of a search.

    Attributes:
        label: Its budget in short, `90M`.
        folder: Its folder, relative to the run's.
        budget_macs: The budget.
        macs: What it costs.
        step: The step at which the count first was within the budget.
        seconds: Time of search until then, evaluations left out.
        accuracy_held_out: Top-1 on the held-out training images, on which the teacher may have been trained.
        accuracy_test: Top-1 on the test images, before any distillation.
    """

    label: Text
    folder: Text
    budget_macs: Amount
    macs: Amount
    step: Amount
    seconds: float
    accuracy_held_out: Percent
    accuracy_test: Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """A network that stands beside the results; a figure is None where the run does not know it.

    Attributes:
        macs: Multiply-accumulates, as the other counts of `Counts` those of one image.
        paper: In the convention of Gu and Tresp 2020.
        thop: As thop counts.
        flops: As torch counts.
        parameters: Trainable numbers.
        accuracy_test: On the test images.
    """

    macs: Amount | None = field(default=None, metadata=LEFT_OUT)
    paper: Amount | None = field(default=None, metadata=LEFT_OUT)
    thop: Amount | None = field(default=None, metadata=LEFT_OUT)
    flops: Amount | None = field(default=None, metadata=LEFT_OUT)
    parameters: Amount | None = field(default=None, metadata=LEFT_OUT)
    accuracy_test: Percent | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """A return to an earlier state after a search or a training diverged.

    Attributes:
        to_step: The step whose state it went on from, 0 for the start.
        rate_factor: What learning rates are multiplied by since.
    """

    to_step: Amount
    rate_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResults:
    """What a search found; no students and no teacher while it runs."""

    students: tuple[FoundStudent, ...] = ()
    teacher: NetworkFacts | None = field(default=None, metadata=LEFT_OUT)
    roll_back: RollBack | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Accuracies of a network at one step of its training.

    Attributes:
        step: Steps taken.
        epoch: Passes over the training images, with fraction.
        accuracy_held_out: On the held-out training images, by which the best is chosen.
        accuracy_test: On the test images, which choose nothing.
    """

    step: Amount
    epoch: float
    accuracy_held_out: Percent
    accuracy_test: Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherAccuracy:
    """One teacher of a distillation, by name, and its accuracy on the test images."""

    name: Text
    accuracy_test: Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResults:
    """What a training of either kind left.

    Attributes:
        last: Where training ended.
        best: Where it was best on the held-out images.
        roll_back: The one that there was.
        model: What `teach` trained; None of a distillation.
        student: What a distillation trained; None of `teach`.
        milliseconds_per_image: Time of the network for one image; older runs did not measure it.
        teachers: Those of a distillation, in order; None of `teach`.
        teacher: The first of them; None where labels alone taught.
        before: The student as it was cut; None of a network by name.
    """

    last: Reached
    best: Reached
    roll_back: RollBack | None = field(default=None, metadata=LEFT_OUT)
    model: NetworkFacts | None = field(default=None, metadata=LEFT_OUT)
    student: NetworkFacts | None = field(default=None, metadata=LEFT_OUT)
    milliseconds_per_image: float | None = field(default=None, metadata=LEFT_OUT)
    teachers: tuple[TeacherAccuracy, ...] | None = field(default=None, metadata=LEFT_OUT)
    teacher: NetworkFacts | None = field(default=None, metadata=LEFT_OUT)
    before: NetworkFacts | None = field(default=None, metadata=LEFT_OUT)

    @property
    def network(self) -> NetworkFacts | None:
        """What was trained, of either kind of run."""
        return self.student or self.model
