"""`studentsearch search`: students within budgets, inside a trained teacher."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from studentsearch.cli import options as option
from studentsearch.cli.groups import ComputeGroup, DataGroup, grouped
from studentsearch.cli.holding import held
from studentsearch.cli.options import default_out, given
from studentsearch.cli.show import show_run

if TYPE_CHECKING:
    from studentsearch.jobs.options import DataOptions
    from studentsearch.jobs.search_options import SearchOptions
    from studentsearch.search.recipe import Objective, SearchRecipe

_METHOD = "Search"
Teacher = Annotated[str, typer.Option("--teacher", metavar="MODEL", help=option.MODEL_HELP)]
Flops = Annotated[
    str,
    typer.Option(
        "--flops",
        metavar="BUDGETS",
        help="What is kept, in multiply-accumulates (90M, 0.09G) or as a share (30%, 0.3x); several: 200M,150M,90M.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        min=1,
        max=10**9,
        help="The last budget is met near this step.",
        show_default="1000",
        rich_help_panel=_METHOD,
    ),
]
Batch = Annotated[
    int | None,
    typer.Option("--batch", min=1, max=10**6, help="Images a step.", show_default="64", rich_help_panel=_METHOD),
]
Kind = Annotated[
    Literal["kd", "np"],
    typer.Option("--objective", help="KL to the teacher, or cross entropy to the labels.", rich_help_panel=_METHOD),
]
Temperature = Annotated[float, typer.Option("--temperature", help="Of both softmax outputs.", rich_help_panel=_METHOD)]
Squared = Annotated[
    bool,
    typer.Option(
        "--squared-temperature/--no-squared-temperature",
        help="Whether the KL is multiplied by temperature^2.",
        rich_help_panel=_METHOD,
    ),
]
Reverse = Annotated[bool, typer.Option("--reverse-kl", help="KL(student || teacher).", rich_help_panel=_METHOD)]
KlTarget = Annotated[
    float | None, typer.Option("--kl-target", metavar="K", help="The term becomes |KL - K|.", rich_help_panel=_METHOD)
]
FlopsWeights = Annotated[
    bool,
    typer.Option(
        "--flops-weights/--no-flops-weights",
        help="Whether a gate's penalty weighs what closing it saves.",
        rich_help_panel=_METHOD,
    ),
]
Penalty = Annotated[
    float | None,
    typer.Option(
        "--penalty",
        min=0,
        help="Hold the gates' penalty (lambda_2) at this value. By default the penalty follows the planned count.",
        rich_help_panel=_METHOD,
    ),
]
OldPenalty = Annotated[float | None, typer.Option("--l2", min=0, hidden=True, help="Older name of --penalty.")]
GateRate = Annotated[
    float | None,
    typer.Option("--gate-rate", min=0, help="Step size of the gates.", show_default="0.2", rich_help_panel=_METHOD),
]
WeightRate = Annotated[
    float | None,
    typer.Option(
        "--weight-rate",
        min=0,
        help="First learning rate of the weights.",
        show_default="0.2",
        rich_help_panel=_METHOD,
    ),
]
AsPrinted = Annotated[
    bool,
    typer.Option("--as-printed", help="The publication to the letter (Gu and Tresp 2020).", rich_help_panel=_METHOD),
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
    steps: Steps = None,
    batch: Batch = None,
    objective: Kind = "kd",
    temperature: Temperature = 4.0,
    squared_temperature: Squared = False,
    reverse_kl: Reverse = False,
    kl_target: KlTarget = None,
    flops_weights: FlopsWeights = True,
    penalty: Penalty = None,
    l2: OldPenalty = None,
    gate_rate: GateRate = None,
    weight_rate: WeightRate = None,
    printed: AsPrinted = False,
    compute: ComputeGroup,
    as_json: option.Json = False,
) -> None:
    """Search students within one or several budgets inside a trained teacher, and cut them out."""
    from studentsearch.jobs.checks import require_search
    from studentsearch.search.recipe import Objective

    chosen, computing, budgets = images.options(), compute.options(), tuple(flops.split(","))
    term = Objective(
        kind=objective,
        temperature=temperature,
        squared_temperature=squared_temperature,
        reverse=reverse_kl,
        kl_target=kl_target,
        flops_weights=flops_weights,
    )
    recipe = _recipe(
        term,
        printed,
        steps=steps,
        batch=batch,
        penalty=given(penalty, l2),
        gate_rate=gate_rate,
        weight_rate=weight_rate,
    )
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


def _recipe(
    objective: "Objective",
    printed: bool,
    *,
    steps: int | None,
    batch: int | None,
    penalty: float | None,
    gate_rate: float | None,
    weight_rate: float | None,
) -> "SearchRecipe":
    """The usual or the published recipe, with what the user chose in its place."""
    from studentsearch.search.recipe import SearchRecipe, as_printed

    base = as_printed(SearchRecipe()) if printed else SearchRecipe()
    first_rate = given(weight_rate, base.weight_rate)
    return replace(
        base,
        objective=objective,
        steps=given(steps, base.steps),
        batch=given(batch, base.batch),
        penalty=given(penalty, base.penalty),
        gate_rate=given(gate_rate, base.gate_rate),
        weight_rate=first_rate,
        final_weight_rate=first_rate * base.final_weight_rate / base.weight_rate,
    )


def _usual_out(teacher: str, images: "DataOptions") -> Path:
    from studentsearch.jobs.checks import data_name

    return default_out("search", teacher, data_name(images, teacher))


def _run(options: "SearchOptions", *, as_json: bool) -> None:
    from studentsearch.jobs.search import search as run_search
    from studentsearch.report.live import RichProgress

    with RichProgress() as progress:
        run_search(options, progress)
    show_run(options.out, as_json=as_json)
