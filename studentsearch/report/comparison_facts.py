"""Runs side by side: one group for all runs that differ in seed alone, with means, standard deviations and gains."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from studentsearch.records.results import NetworkFacts, Reached
from studentsearch.report.comparison_runs import FinishedRun, Task, UnfinishedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over several runs.

    Attributes:
        mean: Its mean.
        std: Its sample standard deviation (n - 1); None for one run.
        num_runs: Runs that know it.
    """

    mean: float
    std: float | None
    num_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGroup:
    """Runs that differ in seed alone; a row of the comparison.

    Attributes:
        runs: In order of seeds.
        stage: 1 or 2 where the group is a stage of a distillation through a temporal network; else None.
        difference: How it differs from the groups that would read alike; empty where none does.
        gain_last: Percentage points over `none` on the same student, images and recipe, last epochs; None without it.
        gain_best: The same of the epochs that were best on the held-out images.
    """

    runs: tuple[FinishedRun, ...]
    stage: int | None
    difference: str
    gain_last: float | None
    gain_best: float | None

    @property
    def task(self) -> Task:
        """What its runs were asked for; the seed is that of the first."""
        return self.runs[0].task

    @property
    def what(self) -> str:
        """What a table calls it; no other group with the same networks is called so."""
        return f"{self.task.what}, {self.difference}" if self.difference else self.task.what

    @property
    def epochs(self) -> float:
        """Passes over the training images."""
        return self.runs[0].results.last.epoch

    @property
    def network(self) -> NetworkFacts:
        """The network that was trained, of the first run that knows its cost."""
        known = (run.network for run in self.runs)
        return next((network for network in known if network.macs is not None), NetworkFacts())

    @property
    def milliseconds_per_image(self) -> float | None:
        """Time of the network for one image, mean of the runs that measured it."""
        known = spread(run.results.milliseconds_per_image for run in self.runs)
        return known.mean if known else None

    @property
    def top1_last(self) -> Spread:
        """Test accuracy of the last epochs, percent."""
        return top1([run.results.last for run in self.runs])

    @property
    def top1_best(self) -> Spread:
        """Test accuracy of the epochs that were best on the held-out images, percent."""
        return top1([run.results.best for run in self.runs])


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
    """Mean and sample standard deviation of what is known.

    Args:
        values: Figures of runs; None where a run does not know it.

    Returns:
        None where no run knows it.
    """
    known = [value for value in values if value is not None]
    return _spread(known) if known else None


def top1(moments: Sequence[Reached]) -> Spread:
    """Mean and sample standard deviation of test accuracies.

    Args:
        moments: Of at least one run the last epoch each, or the best.

    Returns:
        Percent.
    """
    return _spread([moment.accuracy_test for moment in moments])


def _spread(known: Sequence[float]) -> Spread:
    return Spread(mean=fmean(known), std=stdev(known) if len(known) > 1 else None, num_runs=len(known))
