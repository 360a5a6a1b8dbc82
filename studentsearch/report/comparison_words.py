"""A comparison in words: one rule a figure, for the terminal and the page alike."""

from dataclasses import dataclass

from studentsearch.report.comparison_facts import Comparison, RunGroup, Spread
from studentsearch.report.comparison_runs import UnfinishedRun
from studentsearch.report.tables import WordTable
from studentsearch.report.words import NOTHING, count_words, percent_words

PLUS_MINUS = "±"
SPREADS = ("last epoch", "best epoch")  # columns of means and deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadWords:
    """A mean and its deviation; the deviation is empty where there is none."""

    mean: str
    deviation: str

    def __str__(self) -> str:
        return f"{self.mean} {self.deviation}" if self.deviation else self.mean


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWords:
    """The cells of a group."""

    what: str
    student: str
    teachers: str
    epochs: str
    parameters: str
    macs: str
    milliseconds: str
    last: SpreadWords
    best: SpreadWords
    num_runs: str
    gain: str


def row_words(group: RunGroup) -> RowWords:
    """The cells of a group; a stage has its number in front.

    Args:
        group: A row of the comparison.

    Returns:
        Words, a dash for what is not known.
    """
    return RowWords(
        what=group.what if group.stage is None else f"{group.stage}. {group.what}",
        student=group.task.student,
        teachers=group.task.teachers_words or NOTHING,
        epochs=NOTHING if group.epochs is None else f"{group.epochs:g}",
        parameters=count_words(group.parameters),
        macs=count_words(group.macs),
        milliseconds=milliseconds_words(group.milliseconds_per_image),
        last=_spread_words(group.top1_last),
        best=_spread_words(group.top1_best),
        num_runs=str(len(group.runs)),
        gain=NOTHING if group.gain_last is None else f"{group.gain_last:+.2f}",
    )


def milliseconds_words(milliseconds: float | None) -> str:
    """A time in three digits.

    Args:
        milliseconds: Not negative, or None.

    Returns:
        `0.412`, `12.3`, `1,234`, or a dash for None.
    """
    if milliseconds is None:
        return NOTHING
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


def _spread_words(spread: Spread | None) -> SpreadWords:
    if spread is None:
        return SpreadWords(mean=NOTHING, deviation="")
    deviation = "" if spread.deviation is None else f"{PLUS_MINUS} {spread.deviation:.2f}"
    return SpreadWords(mean=f"{spread.mean:5.2f}", deviation=deviation)


def comparison_table(comparison: Comparison) -> WordTable:
    """One line a group.

    Args:
        comparison: The facts.

    Returns:
        All figures; the first three columns are text.
    """
    num_runs = sum(len(group.runs) for group in comparison.groups)
    return WordTable(
        title=f"{num_runs} finished runs in {len(comparison.groups)} rows",
        header=(
            "method",
            "student",
            "teachers",
            "epochs",
            "params",
            "MACs",
            "ms/image",
            *SPREADS,
            "runs",
            "gain",
        ),
        rows=tuple(_cells(row_words(group)) for group in comparison.groups),
    )


def _cells(row: RowWords) -> tuple[str, ...]:
    return (
        row.what,
        row.student,
        row.teachers,
        row.epochs,
        row.parameters,
        row.macs,
        row.milliseconds,
        str(row.last),
        str(row.best),
        row.num_runs,
        row.gain,
    )


def explanation(comparison: Comparison) -> tuple[str, ...]:
    """What the columns mean, as far as the comparison has them.

    Args:
        comparison: The facts.

    Returns:
        Sentences.
    """
    lines = [
        "last epoch, best epoch: top-1 on the test images in percent, mean "
        f"{PLUS_MINUS} sample deviation over runs that differ in seed alone; best on the held-out images."
    ]
    if any(group.gain_last is not None for group in comparison.groups):
        lines.append("gain: points of the last epoch over the student alone (method none); same start, images, recipe.")
    if any(group.stage is not None for group in comparison.groups):
        lines.append("1. and 2.: the two stages of one distillation through a temporal network.")
    return tuple(lines)


def progress_words(run: UnfinishedRun) -> str:
    """How far a run is.

    Args:
        run: One that did not end yet.

    Returns:
        Such as `epoch 12.4 of 200 (6.2%)`.
    """
    done = f"{run.done:.1f}" if run.unit == "epoch" else f"{run.done:.0f}"
    return f"{run.unit} {done} of {run.total} ({percent_words(run.done / run.total)})"
