"""`studentsearch report`: what a run found."""

from pathlib import Path
from typing import Annotated

import typer

from studentsearch.cli import options as option
from studentsearch.cli.show import show_run

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a student folder.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page instead.")]
Csv = Annotated[bool, typer.Option("--csv", help="Write the tables as CSV files into RUN/report instead.")]
TensorBoard = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="FOLDER", help="Write the run's course as TensorBoard events instead."),
]


def report(
    run: Run, html: Html = None, csv: Csv = False, tensorboard: TensorBoard = None, as_json: option.Json = False
) -> None:
    """Show the course, the students and what was kept of every block."""
    from studentsearch.report import write_csv, write_html, write_tensorboard

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
