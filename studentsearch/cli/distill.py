"""`studentsearch distill`: teach a found student what its teacher knows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from studentsearch.cli import options as option
from studentsearch.cli.recipe import training_recipe
from studentsearch.cli.show import show_run

if TYPE_CHECKING:
    from studentsearch.jobs.distill import DistillOptions

_TERMS = "Distillation"
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A search run, or a student folder inside it.")]
Budget = Annotated[
    str | None,
    typer.Option("--budget", metavar="LABEL", help="Which of the run's students (90M); without it the smallest."),
]
Init = Annotated[
    Literal["scratch", "inherit"],
    typer.Option("--init", help="Fresh weights, as published, or those the student was cut with."),
]
Temperature = Annotated[float, typer.Option("--temperature", help="Of both softmax outputs.", rich_help_panel=_TERMS)]
HardWeight = Annotated[
    float,
    typer.Option(
        "--lambda", min=0, max=1, help="Share of the labels; the teacher has the rest.", rich_help_panel=_TERMS
    ),
]


def distill(
    run: Run,
    budget: Budget = None,
    init: Init = "scratch",
    temperature: Temperature = 4.0,
    hard_weight: HardWeight = 0.1,
    epochs: option.Epochs = None,
    steps: option.TrainingSteps = None,
    batch: option.Batch = None,
    rate: option.Rate = None,
    schedule: option.ScheduleName = None,
    milestones: option.Milestones = None,
    warmup: option.Warmup = None,
    weight_decay: option.WeightDecay = None,
    out: option.Out = None,
    data_root: option.DataRoot = None,
    device: option.Device = "auto",
    precision: option.Precision = "auto",
    threads: option.Threads = None,
    seed: option.Seed = 0,
    as_json: option.Json = False,
) -> None:
    """Distil the teacher into a student; teacher and data are those of its search.

    From scratch as published: 300 epochs, batch 128, rate 0.1 divided by 10 at a half and at three quarters. From
    inherited weights: 10 epochs, batch 64, rate 0.02 along a cosine.
    """
    from studentsearch.jobs.distill import DistillOptions, default_training_recipe
    from studentsearch.jobs.options import ComputeOptions

    recipe = training_recipe(
        default_training_recipe(init),
        epochs=epochs,
        steps=steps,
        batch=batch,
        rate=rate,
        schedule=schedule,
        milestones=milestones,
        warmup=warmup,
        weight_decay=weight_decay,
    )
    options = DistillOptions(
        source=run,
        out=out or _usual_out(run, budget, init),
        budget=budget,
        init=init,
        temperature=temperature,
        hard_weight=hard_weight,
        data_root=data_root,
        compute=ComputeOptions(device=device, precision=precision, threads=threads, seed=seed),
        recipe=recipe,
    )
    _run(options, as_json=as_json)


def _usual_out(run: Path, budget: str | None, init: str) -> Path:
    """RUN/distill-LABEL-INIT, for a student folder beside it in its run."""
    from studentsearch.jobs.distill import locate_student

    run_path, student = locate_student(run, budget)
    return run_path / f"distill-{student.name}-{init}"


def _run(options: "DistillOptions", *, as_json: bool) -> None:
    from studentsearch.jobs.distill import distill as run_distill
    from studentsearch.report.live import RichProgress

    with RichProgress() as progress:
        run_distill(options, progress)
    show_run(options.out, as_json=as_json)
