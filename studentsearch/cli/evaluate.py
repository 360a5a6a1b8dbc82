"""`studentsearch evaluate`: how often a network is right on the test images."""

from dataclasses import asdict
from typing import Annotated

import typer

from studentsearch.cli import options as option
from studentsearch.cli.show import show_json

Model = Annotated[str, typer.Argument(metavar="MODEL", help=option.MODEL_HELP)]


def evaluate(
    model: Model,
    weights: option.Weights = None,
    logits: option.Logits = None,
    data: option.DataName = None,
    data_root: option.DataRoot = None,
    download: option.Download = False,
    image_size: option.ImageSize = None,
    mean: option.Mean = None,
    std: option.Std = None,
    device: option.Device = "auto",
    precision: option.Precision = "auto",
    threads: option.Threads = None,
    as_json: option.Json = False,
) -> None:
    """Evaluate a network on all test images."""
    from studentsearch.jobs.checks import require_evaluate
    from studentsearch.jobs.options import ComputeOptions, DataOptions

    images = DataOptions(name=data, data_root=data_root, download=download, image_size=image_size, mean=mean, std=std)
    compute = ComputeOptions(device=device, precision=precision, threads=threads)
    require_evaluate(model=model, weights=weights, data=images, compute=compute)
    from studentsearch.jobs.evaluate import EvaluateOptions
    from studentsearch.jobs.evaluate import evaluate as run_evaluate
    from studentsearch.report.live import RichProgress

    options = EvaluateOptions(model=model, weights=weights, data=images, compute=compute, logits=logits)
    with RichProgress() as progress:
        result = run_evaluate(options, progress)
    if as_json:
        show_json(asdict(result))
    else:
        typer.echo(f"{result.accuracy:.2f} % of {result.num_images:,} test images")
