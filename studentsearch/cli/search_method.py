"""The options of a search's method."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from studentsearch.cli import options as option
from studentsearch.cli.options import given
from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from studentsearch.search.recipe import SearchRecipe

_METHOD = "Search"
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        min=1,
        max=10**9,
        help="The step near which the last budget is met.",
        show_default="1000",
        rich_help_panel=_METHOD,
    ),
]
Batch = Annotated[
    int | None,
    typer.Option("--batch", min=1, max=10**6, help="Images in each step.", show_default="64", rich_help_panel=_METHOD),
]
Kind = Annotated[
    Literal["kd", "np"],
    typer.Option(
        "--objective",
        help="Minimise the KL to the teacher (kd), or the cross entropy to the labels (np).",
        rich_help_panel=_METHOD,
    ),
]
KlTarget = Annotated[
    float | None,
    typer.Option("--kl-target", metavar="K", help="Minimise |KL - K| in place of the KL.", rich_help_panel=_METHOD),
]
FlopsWeights = Annotated[
    bool,
    typer.Option(
        "--flops-weights/--no-flops-weights",
        help="Weigh each gate's penalty by the multiply-accumulates that closing it saves.",
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
    typer.Option("--gate-rate", min=0, help="The step size of the gates.", show_default="0.2", rich_help_panel=_METHOD),
]
WeightRate = Annotated[
    float | None,
    typer.Option(
        "--weight-rate",
        min=0,
        help="The first learning rate of the weights.",
        show_default="0.2",
        rich_help_panel=_METHOD,
    ),
]
AsPrinted = Annotated[
    bool,
    typer.Option("--as-printed", help="Search exactly as published (Gu and Tresp 2020).", rich_help_panel=_METHOD),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchGroup:
    """What a search minimises, and how it moves."""

    steps: Steps = None
    batch: Batch = None
    objective: Kind = "kd"
    temperature: option.Temperature = 4.0
    squared_temperature: option.SquaredTemperature = False
    reverse_kl: option.ReverseKl = False
    kl_target: KlTarget = None
    flops_weights: FlopsWeights = True
    penalty: Penalty = None
    old_penalty: OldPenalty = None
    gate_rate: GateRate = None
    weight_rate: WeightRate = None
    printed: AsPrinted = False

    def recipe(self) -> "SearchRecipe":
        """The usual or the published recipe, with what the user chose in its place."""
        from studentsearch.search.recipe import Objective, SearchRecipe, as_printed

        if self.penalty is not None and self.old_penalty is not None:
            raise UsageError("found --penalty and --l2, its older name; give --penalty alone")
        base = as_printed(SearchRecipe()) if self.printed else SearchRecipe()
        first_rate = given(self.weight_rate, base.weight_rate)
        return replace(
            base,
            objective=Objective(
                kind=self.objective,
                temperature=self.temperature,
                squared_temperature=self.squared_temperature,
                reverse=self.reverse_kl,
                kl_target=self.kl_target,
                flops_weights=self.flops_weights,
            ),
            steps=given(self.steps, base.steps),
            batch=given(self.batch, base.batch),
            penalty=given(given(self.penalty, self.old_penalty), base.penalty),
            gate_rate=given(self.gate_rate, base.gate_rate),
            weight_rate=first_rate,
            final_weight_rate=first_rate * base.final_weight_rate / base.weight_rate,
        )
