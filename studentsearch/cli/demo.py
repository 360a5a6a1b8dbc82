"""`studentsearch demo`: everything once, on embedded data, without a network."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studentsearch.cli.holding import held
from studentsearch.cli.show import show_run
from studentsearch.errors import BudgetNotReachedError, DivergedError

if TYPE_CHECKING:
    from studentsearch.jobs.options import ComputeOptions
    from studentsearch.progress import Progress

_TEACHER, _BUDGET = "densenet_digits", "49%"
_SEARCH_STEPS, _DISTILL_EPOCHS, _DISTILL_RATE = 500, 30, 0.05
_GATE_RATE = 0.3  # a small net and small images: larger steps than the usual ones arrive sooner
_LARGEST_SHARE, _LARGEST_LOSS = 0.5, 1.0

Out = Annotated[
    Path,
    typer.Option("--out", metavar="FOLDER", help="The folder of both runs. Finished runs are shown again, not redone."),
]


def demo(out: Out = Path("runs/demo")) -> None:
    """Search, distil, evaluate and report on embedded digits; under a minute, no network.

    A second time in the same folder shows the finished runs again.
    """
    from studentsearch.report.live import RichProgress
    from studentsearch.runs.place import require_place

    require_place(out, None)
    require_place(out / "distill", "distill")
    with held(out / "search", "search") as found, RichProgress() as progress:
        _search(found, progress)
        _distill(found, out / "distill", progress)
    for run in (out / "search", out / "distill"):
        show_run(run, as_json=False)
        typer.echo()
    _conclude(out)


def _search(out: Path, progress: "Progress") -> None:
    from studentsearch.jobs.search import search
    from studentsearch.jobs.search_options import SearchOptions
    from studentsearch.search.recipe import SearchRecipe

    recipe = SearchRecipe(steps=_SEARCH_STEPS, gate_rate=_GATE_RATE)
    options = SearchOptions(teacher=_TEACHER, budgets=(_BUDGET,), out=out, compute=_compute(), recipe=recipe)
    search(options, progress)


def _distill(source: Path, out: Path, progress: "Progress") -> None:
    from studentsearch.jobs.distill import DistillOptions, distill
    from studentsearch.jobs.recipe import default_training_recipe

    recipe = replace(default_training_recipe("inherit"), epochs=_DISTILL_EPOCHS, rate=_DISTILL_RATE)
    options = DistillOptions(student=source, out=out, init="inherit", compute=_compute(), recipe=recipe)
    distill(options, progress)


def _compute() -> "ComputeOptions":
    """One thread of the CPU in float32: the same student wherever the demo runs on the same build."""
    from studentsearch.jobs.options import ComputeOptions

    return ComputeOptions(device="cpu", precision="float32", threads=1)


def _evaluate(model: str) -> float:
    from studentsearch.jobs.evaluate import EvaluateOptions, evaluate

    return evaluate(EvaluateOptions(model=model, compute=_compute())).accuracy


def _conclude(out: Path) -> None:
    """Say what was promised and what was found.

    Raises:
        BudgetNotReachedError: The student costs more than half of the teacher.
        DivergedError: It lost more than a point of accuracy.
    """
    from studentsearch.jobs.count import count
    from studentsearch.records.names import STUDENT_FOLDER

    folder = out / "distill" / STUDENT_FOLDER
    share = count(str(folder)).macs / count(_TEACHER).macs
    teacher, student = _evaluate(_TEACHER), _evaluate(str(folder))
    typer.echo(f"multiply-accumulates: {share:.1%} of the teacher's")
    typer.echo(f"accuracy: student {student:.2f} %, teacher {teacher:.2f} %, {student - teacher:+.2f} points")
    typer.echo(f"the student: {folder}")
    if share > _LARGEST_SHARE:
        raise BudgetNotReachedError(
            f"the student keeps {share:.1%} of the teacher; the demo promises {_LARGEST_SHARE:.0%}"
        )
    if teacher - student > _LARGEST_LOSS:
        raise DivergedError(
            f"the student lost {teacher - student:.2f} points; the demo promises {_LARGEST_LOSS:g} at most; "
            f"remove {out} and run it again"
        )
