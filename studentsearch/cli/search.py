"""`studentsearch search`: students within budgets, inside a trained teacher."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studentsearch.cli import options as option
from studentsearch.cli.groups import ComputeGroup, DataGroup, grouped
from studentsearch.cli.holding import held
from studentsearch.cli.options import default_out
from studentsearch.cli.search_method import SearchGroup
from studentsearch.cli.show import show_run

if TYPE_CHECKING:
    from studentsearch.jobs.options import DataOptions
    from studentsearch.jobs.search_options import SearchOptions

Teacher = Annotated[str, typer.Option("--teacher", metavar="MODEL", help=option.MODEL_HELP)]
Flops = Annotated[
    str,
    typer.Option(
        "--flops",
        metavar="BUDGETS",
        help="The budgets to keep, in multiply-accumulates (90M, 0.09G) or as shares (30%, 0.3x); "
        "several as 200M,150M,90M.",
    ),
]


@grouped
def search(
    flops: Flops,
    *,
    teacher: Teacher = "densenet",
    weights: option.Weights = None,
    images: DataGroup,
    logits: option.Logits = None,
    out: option.RunOut = None,
    skip: option.Skip = None,
    method: SearchGroup,
    compute: ComputeGroup,
    as_json: option.Json = False,
) -> None:
    """Search students within one or several budgets inside a trained teacher, and cut them out."""
    from studentsearch.jobs.checks import require_search

    chosen, computing, budgets = images.options(), compute.options(), tuple(flops.split(","))
    recipe = method.recipe()
    require_search(teacher=teacher, weights=weights, budgets=budgets, data=chosen, compute=computing, out=out)
    with held(out or _usual_out(teacher, chosen), "search") as folder:
        from studentsearch.jobs.search_options import SearchOptions

        options = SearchOptions(
            teacher=teacher,
            budgets=budgets,
            out=folder,
            weights=weights,
            data=chosen,
            compute=computing,
            recipe=recipe,
            skip=tuple(skip or ()),
            logits=logits,
        )
        _run(options, as_json=as_json)


def _usual_out(teacher: str, images: "DataOptions") -> Path:
    from studentsearch.jobs.checks import data_name

    return default_out("search", teacher, data_name(images, teacher))


def _run(options: "SearchOptions", *, as_json: bool) -> None:
    from studentsearch.jobs.search import search as run_search
    from studentsearch.report.live import RichProgress

    with RichProgress() as progress:
        run_search(options, progress)
    show_run(options.out, as_json=as_json)
