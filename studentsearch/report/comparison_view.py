"""A comparison as text: one line a group where the terminal is wide enough, else two; 80 columns or more."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from studentsearch.report.comparison_facts import Comparison, RunGroup
from studentsearch.report.comparison_runs import UnfinishedRun
from studentsearch.report.comparison_words import (
    COLUMNS,
    PLUS_MINUS,
    Column,
    comparison_title,
    explanation,
    progress_words,
)
from studentsearch.report.shown import Shown

_ASCII_PLUS_MINUS = "+-"


def render_comparison(comparison: Comparison, console: Console) -> None:
    """Print runs side by side, and how far those are that run still.

    Args:
        comparison: The facts.
        console: Where to; 80 columns suffice.
    """
    console.print(Shown(content=ComparisonView(comparison=comparison)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """The table of a comparison with its legend; reads without colour too."""

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        sign = _ASCII_PLUS_MINUS if options.ascii_only else PLUS_MINUS
        if self.comparison.sections:
            yield Text(comparison_title(self.comparison), style="bold")
            yield self._table(console, options, sign)
            yield Text()
            for line in explanation(self.comparison):
                yield Text(line.replace(PLUS_MINUS, sign), style="dim")
        if self.comparison.unfinished:
            if self.comparison.sections:
                yield Text()
            yield Text(f"Not finished ({len(self.comparison.unfinished)})", style="bold")
            yield _unfinished(self.comparison.unfinished)

    def _table(self, console: Console, options: ConsoleOptions, sign: str) -> Table:
        wide = _table(COLUMNS, self.comparison, sign, is_wide=True)
        if Measurement.get(console, options.update(width=10**4), wide).maximum <= options.max_width:
            return wide
        return _table([column for column in COLUMNS if not column.under], self.comparison, sign, is_wide=False)


def _table(columns: Sequence[Column], comparison: Comparison, sign: str, *, is_wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for column in columns:
        name = Text(column.header if is_wide else _narrow_header(column))
        if column.alignment == "text":
            table.add_column(name, overflow="fold")
        else:
            is_left = is_wide and column.alignment == "left"
            table.add_column(name, justify="left" if is_left else "right", no_wrap=True)
    for section in comparison.sections:
        for group in section:
            words = [column.words(group) if is_wide else _narrow_words(column, group) for column in columns]
            table.add_row(*(Text(word.replace(PLUS_MINUS, sign)) for word in words[:-1]), _gain(words[-1]))
        table.add_section()
    return table


def _below(column: Column) -> Column | None:
    return next((other for other in COLUMNS if other.under == column.header), None)


def _narrow_header(column: Column) -> str:
    below = _below(column)
    return column.narrow or (column.header if below is None else f"{column.header}\n{below.header}")


def _narrow_words(column: Column, group: RunGroup) -> str:
    """A cell over two lines: with the column that stands below, or with the standard deviation there."""
    below, words = _below(column), column.words(group)
    return words.replace(f" {PLUS_MINUS}", f"\n{PLUS_MINUS}") if below is None else f"{words}\n{below.words(group)}"


def _gain(words: str) -> Text:
    """A gain in colour; its sign says the same without."""
    return Text(words, {"+": "green", "-": "red"}.get(words[0], "") if len(words) > 1 else "")


def _unfinished(runs: Sequence[UnfinishedRun]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for run in runs:
        table.add_row(
            Text(progress_words(run)), Text(f"{run.task.what} {run.task.student} seed {run.task.seed}, {run.path}")
        )
    return table
