"""`studentsearch teach`: train a teacher, or any baseline, on labels."""

from typing import TYPE_CHECKING, Annotated

import typer

from studentsearch.cli import options as option
from studentsearch.cli.options import default_out
from studentsearch.cli.recipe import training_recipe
from studentsearch.cli.show import show_run

if TYPE_CHECKING:
    from studentsearch.jobs.teach import TeachOptions

Model = Annotated[str, typer.Argument(metavar="MODEL", help=option.NAME_HELP)]


def teach(
    model: Model,
    data: option.DataName = None,
    data_root: option.DataRoot = None,
    download: option.Download = False,
    image_size: option.ImageSize = None,
    mean: option.Mean = None,
    std: option.Std = None,
    augment: option.Augment = None,
    out: option.Out = None,
    epochs: option.Epochs = None,
    steps: option.TrainingSteps = None,
    batch: option.Batch = None,
    rate: option.Rate = None,
    schedule: option.ScheduleName = None,
    milestones: option.Milestones = None,
    warmup: option.Warmup = None,
    weight_decay: option.WeightDecay = None,
    device: option.Device = "auto",
    precision: option.Precision = "auto",
    threads: option.Threads = None,
    seed: option.Seed = 0,
    as_json: option.Json = False,
) -> None:
    """Train a network on labels: a teacher, or a baseline.

    Without options: 300 epochs, batch 128, rate 0.1 divided by 10 at a half and at three quarters, weight decay 1e-4.
    """
    from studentsearch.jobs.opening import data_name
    from studentsearch.jobs.options import ComputeOptions, DataOptions
    from studentsearch.jobs.teach import TeachOptions
    from studentsearch.jobs.training import TrainingRecipe

    images = DataOptions(
        name=data, data_root=data_root, download=download, image_size=image_size, augment=augment, mean=mean, std=std
    )
    recipe = training_recipe(
        TrainingRecipe(),
        epochs=epochs,
        steps=steps,
        batch=batch,
        rate=rate,
        schedule=schedule,
        milestones=milestones,
        warmup=warmup,
        weight_decay=weight_decay,
    )
    compute = ComputeOptions(device=device, precision=precision, threads=threads, seed=seed)
    folder = out or default_out("teach", model, data_name(images, model))
    _run(TeachOptions(model=model, out=folder, data=images, compute=compute, recipe=recipe), as_json=as_json)


def _run(options: "TeachOptions", *, as_json: bool) -> None:
    from studentsearch.jobs.teach import teach as run_teach
    from studentsearch.report.live import RichProgress

    with RichProgress() as progress:
        run_teach(options, progress)
    show_run(options.out, as_json=as_json)
