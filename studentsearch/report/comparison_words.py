"""A comparison in words: one rule a figure, for the terminal and the page alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from studentsearch.report.comparison_facts import Comparison, RunGroup, Spread
from studentsearch.report.comparison_runs import UnfinishedRun
from studentsearch.report.tables import WordTable
from studentsearch.report.words import NOTHING, count_words, percent_words

PLUS_MINUS = "±"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the table.

    Attributes:
        header: Its name.
        words: The cell of a group.
        narrow: Its name over two lines, for a terminal that is not wide enough for `header`.
        under: Header of the column below whose cells it stands there; empty for a column of its own.
        alignment: Text stands left and may be folded into several lines; figures stand left or right.
    """

    header: str
    words: Callable[[RunGroup], str]
    narrow: str = ""
    under: str = ""
    alignment: Literal["text", "left", "right"] = "right"


def _what(group: RunGroup) -> str:
    """A stage has its number in front."""
    return group.what if group.stage is None else f"{group.stage}. {group.what}"


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


def _spread_words(spread: Spread) -> str:
    return f"{spread.mean:5.2f}" if spread.std is None else f"{spread.mean:5.2f} {PLUS_MINUS} {spread.std:.2f}"


def _gain_words(group: RunGroup) -> str:
    return NOTHING if group.gain_last is None else f"{group.gain_last:+.2f}"


COLUMNS = (
    Column(header="method", words=_what, narrow="method\n", alignment="text"),
    Column(header="student", words=lambda group: group.task.student, alignment="text"),
    Column(
        header="teachers",
        words=lambda group: group.task.teachers_words or NOTHING,
        under="student",
        alignment="text",
    ),
    Column(header="epochs", words=lambda group: f"{group.epochs:g}"),
    Column(header="params", words=lambda group: count_words(group.network.parameters)),
    Column(header="MACs", words=lambda group: count_words(group.network.macs), under="params"),
    Column(
        header="ms/image",
        words=lambda group: milliseconds_words(group.milliseconds_per_image),
        narrow="ms per\nimage",
    ),
    Column(
        header="last epoch",
        words=lambda group: _spread_words(group.top1_last),
        narrow="last\nepoch",
        alignment="left",
    ),
    Column(
        header="best epoch",
        words=lambda group: _spread_words(group.top1_best),
        narrow="best\nepoch",
        alignment="left",
    ),
    Column(header="runs", words=lambda group: str(len(group.runs)), under="epochs"),
    Column(header="gain", words=_gain_words, narrow="\ngain"),
)


def comparison_title(comparison: Comparison) -> str:
    """How many runs are compared, in how many rows."""
    return f"{sum(len(group.runs) for group in comparison.groups)} finished runs in {len(comparison.groups)} rows"


def comparison_table(comparison: Comparison) -> WordTable:
    """One line a group.

    Args:
        comparison: The facts.

    Returns:
        The cells of `COLUMNS`, a dash for what is not known.
    """
    return WordTable(
        title=comparison_title(comparison),
        header=tuple(column.header for column in COLUMNS),
        rows=tuple(tuple(column.words(group) for column in COLUMNS) for group in comparison.groups),
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
        f"{PLUS_MINUS} sample standard deviation over runs that differ in seed alone; best on the held-out images."
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
