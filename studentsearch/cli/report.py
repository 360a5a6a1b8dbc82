"""`studentsearch report`: what a run found."""

from pathlib import Path
from typing import Annotated

import typer

from studentsearch.cli import options as option
from studentsearch.cli.show import show_run

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a student folder.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page instead.")]
Csv = Annotated[bool, typer.Option("--csv", help="Write the tables as CSV files into RUN/report instead.")]


def report(run: Run, html: Html = None, csv: Csv = False, as_json: option.Json = False) -> None:
    """Show the course, the students and what was kept of every block."""
    from studentsearch.report import write_csv, write_html

    written: list[Path] = []
    if html is not None:
        write_html(run, html)
        written.append(html)
    if csv:
        written.extend(write_csv(run))
    for file in written:
        typer.echo(file)
    if as_json or not written:
        show_run(run, as_json=as_json)
