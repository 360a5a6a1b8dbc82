"""`studentsearch teach`: train a teacher, or any baseline, on labels."""

from typing import TYPE_CHECKING, Annotated

import typer

from studentsearch.cli import options as option
from studentsearch.cli.groups import ComputeGroup, DataGroup, TrainingGroup, grouped
from studentsearch.cli.holding import held
from studentsearch.cli.options import default_out
from studentsearch.cli.show import show_run

if TYPE_CHECKING:
    from studentsearch.jobs.teach import TeachOptions

Model = Annotated[str, typer.Argument(metavar="MODEL", help=option.NAME_HELP)]


@grouped
def teach(
    model: Model,
    *,
    images: DataGroup,
    logits: option.Logits = None,
    out: option.RunOut = None,
    training: TrainingGroup,
    compute: ComputeGroup,
    as_json: option.Json = False,
) -> None:
    """Train a network on labels: a teacher, or a baseline.

    Without options: 300 epochs, batch 128, rate 0.1 divided by 10 at a half and at three quarters, weight decay 1e-4.
    """
    from studentsearch.jobs.checks import data_name, require_teach
    from studentsearch.jobs.presets import recipe

    usual = recipe(training.recipe or "search")
    chosen, computing, trained = (
        images.options(augment=usual.augment),
        compute.options(),
        training.training(usual.training),
    )
    require_teach(model=model, data=chosen, compute=computing, out=out)
    with held(out or default_out("teach", model, data_name(chosen, model)), "teach") as folder:
        from studentsearch.jobs.teach import TeachOptions

        options = TeachOptions(model=model, out=folder, data=chosen, compute=computing, recipe=trained, logits=logits)
        _run(options, as_json=as_json)


def _run(options: "TeachOptions", *, as_json: bool) -> None:
    from studentsearch.jobs.teach import teach as run_teach
    from studentsearch.report.live import RichProgress

    with RichProgress() as progress:
        run_teach(options, progress)
    show_run(options.out, as_json=as_json)
