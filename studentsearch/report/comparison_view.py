"""A comparison as text: one line a group where the terminal is wide enough, else two; 80 columns or more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from studentsearch.report.comparison_facts import Comparison
from studentsearch.report.comparison_runs import UnfinishedRun
from studentsearch.report.comparison_words import (
    PLUS_MINUS,
    SPREADS,
    RowWords,
    comparison_table,
    explanation,
    progress_words,
    row_words,
)
from studentsearch.report.shown import Shown

_ASCII_PLUS_MINUS = "+-"
_NUM_TEXTS, _NUM_STACKED_TEXTS = 3, 2  # columns of text; those that follow are figures
_STACKED_HEADER = (
    "method\n",
    "student\nteachers",
    "epochs\nruns",
    "params\nMACs",
    "ms per\nimage",
    "last\nepoch",
    "best\nepoch",
    "\ngain",
)


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
            yield Text(comparison_table(self.comparison).title, style="bold")
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
        words = comparison_table(self.comparison)
        wide = _table(words.header, _NUM_TEXTS, self._sections(words.rows), sign)
        if Measurement.get(console, options.update(width=10**4), wide).maximum <= options.max_width:
            return wide
        rows = [_stacked(row_words(group)) for group in self.comparison.groups]
        return _table(_STACKED_HEADER, _NUM_STACKED_TEXTS, self._sections(rows), sign)

    def _sections(self, rows: Sequence[tuple[str, ...]]) -> Iterator[Sequence[tuple[str, ...]]]:
        first = 0
        for section in self.comparison.sections:
            yield rows[first : first + len(section)]
            first += len(section)


def _stacked(row: RowWords) -> tuple[str, ...]:
    return (
        row.what,
        f"{row.student}\n{row.teachers}",
        f"{row.epochs}\n{row.num_runs}",
        f"{row.parameters}\n{row.macs}",
        row.milliseconds,
        f"{row.last.mean}\n{row.last.deviation}",
        f"{row.best.mean}\n{row.best.deviation}",
        row.gain,
    )


def _table(header: Sequence[str], num_texts: int, sections: Iterator[Sequence[tuple[str, ...]]], sign: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for position, name in enumerate(header):
        if position < num_texts:
            table.add_column(Text(name), overflow="fold")
        else:
            table.add_column(Text(name), justify="left" if name in SPREADS else "right", no_wrap=True)
    for rows in sections:
        for row in rows:
            table.add_row(*(Text(word.replace(PLUS_MINUS, sign)) for word in row[:-1]), _gain(row[-1]))
        table.add_section()
    return table


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
