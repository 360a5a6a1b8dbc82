"""`studentsearch report`: what a run found, or several runs side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from studentsearch.cli import options as option
from studentsearch.cli.show import show_json, show_run
from studentsearch.errors import UsageError

Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...",
        help="A run folder or a student folder. Several folders, or one that holds runs: a table of all of them.",
    ),
]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page instead.")]
Csv = Annotated[
    bool,
    typer.Option(
        "--csv",
        help="Write the tables as CSV files instead: into RUN/report, of one folder of runs into it, "
        "of several folders into the working directory.",
    ),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="FOLDER", help="Write the run's course as TensorBoard events instead."),
]


def report(
    runs: Runs, html: Html = None, csv: Csv = False, tensorboard: TensorBoard = None, as_json: option.Json = False
) -> None:
    """Show the course, the students and what was kept of every block; of several runs one table, row by row."""
    from studentsearch.runs.place import require_file_place

    if html is not None:
        require_file_place(html)
    from studentsearch.report import is_comparison, write_csv, write_html, write_tensorboard

    if is_comparison(runs):
        _compare(runs, html=html, csv=csv, tensorboard=tensorboard, as_json=as_json)
        return
    (run,) = runs
    written: list[Path] = []
    if html is not None:
        write_html(run, html)
        written.append(html)
    if csv:
        written.extend(write_csv(run))
    if tensorboard is not None:
        write_tensorboard(run, tensorboard)
        written.append(tensorboard)
    for file in written:
        typer.echo(file)
    if as_json or not written:
        show_run(run, as_json=as_json)


def _compare(runs: Sequence[Path], *, html: Path | None, csv: bool, tensorboard: Path | None, as_json: bool) -> None:
    from studentsearch.report import read_comparison, write_comparison_csv, write_comparison_html

    if tensorboard is not None:
        raise UsageError(f"found --tensorboard {tensorboard} with several runs; expected one run; name a run folder")
    comparison = read_comparison(runs)
    written: list[Path] = []
    if html is not None:
        write_comparison_html(comparison, html)
        written.append(html)
    if csv:
        written.extend(write_comparison_csv(comparison, runs[0] if len(runs) == 1 else Path()))
    for file in written:
        typer.echo(file)
    if as_json or not written:
        show_comparison(runs, as_json=as_json)


def show_comparison(runs: Sequence[Path], *, as_json: bool) -> None:
    """Print several runs side by side on stdout.

    Args:
        runs: Run folders, or folders that hold runs.
        as_json: Facts as JSON instead of a table.
    """
    from rich.console import Console

    from studentsearch.report import comparison_json, read_comparison, render_comparison

    comparison = read_comparison(runs)
    if as_json:
        show_json(comparison_json(comparison))
    else:
        render_comparison(comparison, Console())
