"""`studentsearch study`: a table of methods on a published pair, several seeds each."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from studentsearch.cli import options as option
from studentsearch.cli.groups import ComputeGroup, DataGroup, TrainingGroup, grouped
from studentsearch.cli.options import default_out, given

if TYPE_CHECKING:
    from studentsearch.jobs.study_options import StudyOptions

Pair = Annotated[
    str,
    typer.Argument(metavar="PAIR", help="vgg11_6, resnet32_8, mobilenet16_9, resnet50_18, resnet18_10, resnet50_10."),
]
Rows = Annotated[
    str | None,
    typer.Option(
        "--rows",
        metavar="A,B,...",
        help="The rows to run, of alone, hinton, fsp, P1, P2, P3, P1+P2, P1+P2+P3. Without it: all.",
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, max=1000, help="The number of runs of every row.")]
Teachers = Annotated[
    int,
    typer.Option("--teachers", min=1, max=100, help="The number of teachers that are trained; the ensemble has all."),
]
TeacherEpochs = Annotated[
    int | None,
    typer.Option(
        "--teacher-epochs",
        min=1,
        max=10**6,
        help="Passes over the training images for teachers, where they differ from the students'.",
    ),
]
ClippingName = Annotated[
    Literal["printed", "reversed", "off"],
    typer.Option("--clip", help="How the gradient of cross-layer matrices is scaled by its ratio to the others'."),
]


@grouped
def study(
    pair: Pair,
    *,
    rows: Rows = None,
    seeds: Seeds = 3,
    teachers: Teachers = 3,
    teacher_epochs: TeacherEpochs = None,
    clip: ClippingName = "printed",
    training: TrainingGroup,
    out: option.Out = None,
    images: DataGroup,
    compute: ComputeGroup,
    as_json: option.Json = False,
) -> None:
    """Teach the teachers, run every row with every seed, show the table; stopped, the same command goes on."""
    from studentsearch.jobs.checks import require_study
    from studentsearch.jobs.presets import pair as pair_of
    from studentsearch.jobs.presets import recipe
    from studentsearch.jobs.study_options import StudyOptions

    published = pair_of(pair)
    usual = recipe(training.recipe or published.recipe)
    distilling = training.training(usual.training)
    options = StudyOptions(
        teacher=published.teacher,
        student=published.student,
        out=out or default_out("study", pair),
        rows=() if rows is None else tuple(rows.split(",")),
        num_teachers=teachers,
        seeds=seeds,
        clipping=clip,
        data=images.options(data=published.data, augment=usual.augment),
        compute=compute.options(),
        teaching=replace(distilling, epochs=given(teacher_epochs, distilling.epochs)),
        distilling=distilling,
    )
    require_study(data=options.data, compute=options.compute, out=options.out, student=options.student)
    _run(options, as_json=as_json)


def _run(options: "StudyOptions", *, as_json: bool) -> None:
    from studentsearch.cli.report import show_comparison
    from studentsearch.jobs.study import study as run_study
    from studentsearch.report.live import RichProgress

    with RichProgress() as progress:
        run_study(options, progress)
    show_comparison((options.out,), as_json=as_json)
