"""`studentsearch export`: a student in another format."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Student = Annotated[Path, typer.Argument(metavar="STUDENT", help="A student folder.")]
To = Annotated[Literal["onnx", "pt2"], typer.Option("--to", help="The format: ONNX, or an archive of torch.export.")]
File = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="The file to write.", show_default="model.onnx or model.pt2 in STUDENT"),
]


def export(student: Student, to: To, out: File = None) -> None:
    """Write a student as ONNX or pt2, proved equal before it is kept."""
    from studentsearch.jobs.checks import require_export

    require_export(folder=student, to=to, out=out)
    from studentsearch.jobs.export import export as run_export

    result = run_export(student, to, out)
    typer.echo(f"{result.path}  largest difference of a logit {result.difference:.1e} of the largest")
