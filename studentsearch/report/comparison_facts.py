"""Runs side by side: one group for all runs that differ in seed alone, with means, deviations and gains."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, stdev

from studentsearch.report.comparison_runs import FinishedRun, Task, UnfinishedRun
from studentsearch.report.run_facts import ReachedFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over several runs.

    Attributes:
        mean: Its mean.
        deviation: Its sample deviation (n - 1); None for one run.
        num_runs: Runs that know it.
    """

    mean: float
    deviation: float | None
    num_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGroup:
    """Runs that differ in seed alone; a row of the comparison.

    Attributes:
        runs: In order of seeds.
        stage: 1 or 2 where the group is a stage of a distillation through a temporal network; else None.
        apart: How it differs from the groups that would read alike; empty where none does.
        gain_last: Percentage points over `none` on the same student, images and recipe, last epochs; None without it.
        gain_best: The same of the epochs that were best on the held-out images.
    """

    runs: tuple[FinishedRun, ...]
    stage: int | None
    apart: str
    gain_last: float | None
    gain_best: float | None

    @property
    def task(self) -> Task:
        """What its runs were asked for; the seed is that of the first."""
        return self.runs[0].task

    @property
    def what(self) -> str:
        """What a table calls it; no other group with the same networks is called so."""
        return f"{self.task.what}, {self.apart}" if self.apart else self.task.what

    @property
    def epochs(self) -> float | None:
        """Passes over the training images."""
        last = self.runs[0].last
        return last.epoch if last else None

    @property
    def parameters(self) -> int | None:
        """Trainable numbers of the network."""
        return next((run.parameters for run in self.runs if run.parameters is not None), None)

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates of one image."""
        return next((run.macs for run in self.runs if run.macs is not None), None)

    @property
    def milliseconds_per_image(self) -> float | None:
        """Time of the network for one image, mean of the runs that measured it."""
        known = spread(run.milliseconds_per_image for run in self.runs)
        return known.mean if known else None

    @property
    def top1_last(self) -> Spread | None:
        """Test accuracy of the last epochs, percent."""
        return top1(run.last for run in self.runs)

    @property
    def top1_best(self) -> Spread | None:
        """Test accuracy of the epochs that were best on the held-out images, percent."""
        return top1(run.best for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All teach and distill runs of some folders.

    Attributes:
        sections: Groups in the order of the table: teachers, then student by student with `none` in front; the
            stages of a distillation through a temporal network follow one another.
        unfinished: Runs that did not end yet.
    """

    sections: tuple[tuple[RunGroup, ...], ...]
    unfinished: tuple[UnfinishedRun, ...]

    @property
    def groups(self) -> tuple[RunGroup, ...]:
        """All groups."""
        return tuple(group for section in self.sections for group in section)


def spread(values: Iterable[float | None]) -> Spread | None:
    """Mean and sample deviation of what is known.

    Args:
        values: Figures of runs; None where a run does not know it.

    Returns:
        None where no run knows it.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(mean=fmean(known), deviation=stdev(known) if len(known) > 1 else None, num_runs=len(known))


def top1(moments: Iterable[ReachedFacts | None]) -> Spread | None:
    """Mean and sample deviation of test accuracies.

    Args:
        moments: Of several runs the same moment each; None where a run does not know it.

    Returns:
        Percent; None where no run knows it.
    """
    return spread(moment.accuracy_test if moment else None for moment in moments)
