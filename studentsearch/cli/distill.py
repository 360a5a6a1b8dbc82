"""`studentsearch distill`: teach a student what its teachers know."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from studentsearch.cli import options as option
from studentsearch.cli.groups import ComputeGroup, DataGroup, TrainingGroup, grouped
from studentsearch.cli.holding import held
from studentsearch.cli.loss import LossGroup
from studentsearch.cli.methods import show_methods
from studentsearch.cli.options import default_out
from studentsearch.cli.show import show_run
from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from studentsearch.jobs.distill import DistillOptions
    from studentsearch.jobs.method_options import MethodOptions
    from studentsearch.jobs.options import DataOptions
    from studentsearch.records.recipe import TrainingRecipe

_TEACHERS, _START = "Teachers", "Student"
Student = Annotated[
    str | None,
    typer.Argument(metavar="STUDENT", help=f"A search run, a student folder, or a m{option.NAME_HELP[1:]}"),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="A published pair with its recipe: vgg11_6, resnet32_8, mobilenet16_9, resnet50_18, resnet18_10, "
        "resnet50_10; in place of STUDENT and --teacher.",
        rich_help_panel=_START,
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="LABEL",
        help="Which of the run's students to train, such as 90M. Without it: the smallest.",
        rich_help_panel=_START,
    ),
]
Init = Annotated[
    Literal["scratch", "inherit"],
    typer.Option(
        "--init",
        help="Start from fresh weights, as published, or from those that the student was cut with.",
        rich_help_panel=_START,
    ),
]
Teacher = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher",
        metavar="MODEL",
        help="A model name or a student folder; may be repeated. A found student has its search's teacher.",
        rich_help_panel=_TEACHERS,
    ),
]
TeacherLogits = Annotated[
    str | None,
    typer.Option(
        "--teacher-logits",
        metavar="KEY",
        help="As --logits, for teachers that return several outputs; a search's teacher keeps the search's.",
        rich_help_panel=_TEACHERS,
    ),
]
Via = Annotated[
    str | None,
    typer.Option(
        "--via",
        metavar="MODEL",
        help="A network between teachers and student: the teachers teach it, then it teaches the student.",
        rich_help_panel=_TEACHERS,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentGroup:
    """Who is taught."""

    student: Student = None
    preset: Preset = None
    budget: Budget = None
    init: Init = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherGroup:
    """Who teaches."""

    teacher: Teacher = None
    weights: option.SeveralWeights = None
    teacher_logits: TeacherLogits = None
    via: Via = None


@grouped
def distill(
    taught: StudentGroup,
    *,
    teaching: TeacherGroup,
    loss: LossGroup,
    training: TrainingGroup,
    out: option.RunOut = None,
    images: DataGroup,
    logits: option.Logits = None,
    compute: ComputeGroup,
    as_json: option.Json = False,
) -> None:
    """Teach a student what one or several teachers know.

    A found student has teacher and data of its search; a network by name needs --teacher, --weights and --data.
    From scratch as the search was published: 300 epochs, batch 128, rate 0.1 divided by 10 at a half and at three
    quarters. From inherited weights: 10 epochs, batch 64, rate 0.02 along a cosine after a twentieth of warm-up.
    """
    if loss.method == "list":
        show_methods(as_json=as_json)
        return
    from studentsearch.jobs.checks import require_distill

    what = _choices(taught, teaching, loss, training, images)
    require_distill(
        student=what.student,
        teachers=what.teachers,
        weights=what.weights,
        method=what.method,
        via=what.via,
        init=taught.init,
        data=what.data,
        compute=compute.options(),
        out=out,
    )
    with held(out or _usual_out(what.student, taught.budget, taught.init, what.method.name), "distill") as folder:
        from studentsearch.jobs.distill import DistillOptions

        _run(
            DistillOptions(
                student=what.student,
                out=folder,
                teachers=what.teachers,
                weights=what.weights,
                budget=taught.budget,
                init=taught.init,
                method=what.method,
                via=what.via,
                data=what.data,
                compute=compute.options(),
                recipe=what.recipe,
                logits=logits,
                teacher_logits=teaching.teacher_logits,
            ),
            as_json=as_json,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choices:
    """Who is taught by whom and how: the user's words, else those of a published pair."""

    student: str
    teachers: tuple[str, ...]
    weights: tuple[Path, ...]
    via: str | None
    method: "MethodOptions"
    data: "DataOptions"
    recipe: "TrainingRecipe"


def _choices(
    taught: StudentGroup,
    teaching: TeacherGroup,
    loss: LossGroup,
    training: TrainingGroup,
    images: DataGroup,
) -> _Choices:
    from studentsearch.jobs.presets import pair, usual_recipe
    from studentsearch.jobs.recipe import default_training_recipe

    published = None if taught.preset is None else pair(taught.preset)
    usual = usual_recipe(training.recipe, None if published is None else published.recipe)
    if taught.student is None and published is None:
        raise UsageError("found no student; give a search run, a student folder, a model name, or --preset NAME")
    return _Choices(
        student=taught.student or ("" if published is None else published.student),
        teachers=tuple(teaching.teacher or (() if published is None else (published.teacher,))),
        weights=tuple(teaching.weights or ()),
        via=teaching.via or (None if published is None else published.via),
        method=loss.options(None if published is None else published.method),
        data=images.options(
            data=None if published is None else published.data, augment=None if usual is None else usual.augment
        ),
        recipe=training.training(default_training_recipe(taught.init) if usual is None else usual.training),
    )


def _usual_out(student: str, budget: str | None, init: str, method: str) -> Path:
    """Inside the search run that a found student lies in: RUN/distill-LABEL-METHOD-INIT; else under runs/."""
    from studentsearch.jobs.method_options import MethodOptions
    from studentsearch.models.reference import parse_model

    if not parse_model(student).is_found:
        return default_out("distill", student, method)
    from studentsearch.jobs.locate import locate_student, search_run_of

    folder = locate_student(Path(student), budget)
    run = search_run_of(folder)
    words = f"{folder.name}-{init}" if method == MethodOptions().name else f"{folder.name}-{method}-{init}"
    return default_out("distill", folder.name, method) if run is None else run / f"distill-{words}"


def _run(options: "DistillOptions", *, as_json: bool) -> None:
    from studentsearch.jobs.distill import distill as run_distill
    from studentsearch.report.live import RichProgress

    with RichProgress() as progress:
        run_distill(options, progress)
    show_run(options.out, as_json=as_json)
