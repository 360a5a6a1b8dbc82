"""The evaluate job: how often a network is right on all test images, and how long an image takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from studentsearch.engine.runtime import open_runtime
from studentsearch.jobs.checks import require_evaluate
from studentsearch.jobs.opening import evaluate_on, open_data, open_model, published_normalization
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.own_function import require_typed
from studentsearch.progress import Progress
from studentsearch.records.student import has_student_files, read_student_config


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What a user chooses when evaluating.

    Attributes:
        model: Any model name, or a student folder.
        weights: Its weights, a file or the name of a library's; None means the folder's, embedded or published ones.
        data: The images; a student folder knows its own.
        compute: Device, precision, threads.
        logits: Name or position of the output that is evaluated; None means the student's, what comes with the weights,
            or the usual one.
    """

    model: str
    weights: Path | None = None
    data: DataOptions = field(default_factory=DataOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    logits: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedModel:
    """How a network does on the test images.

    Attributes:
        accuracy: Top-1 in percent.
        loss: Mean cross entropy in nats.
        num_images: Test images.
        images_per_second: Measured, this machine, this runtime.
        device: The runtime in words.
    """

    accuracy: float
    loss: float
    num_images: int
    images_per_second: float
    device: str


def evaluate(options: EvaluateOptions, progress: Progress | None = None) -> EvaluatedModel:
    """Evaluate a network on all test images.

    Args:
        options: Network, weights, images.
        progress: Hears of weights that were told apart by their order; None for silence.

    Returns:
        The figures.
    """
    require_evaluate(model=options.model, weights=options.weights, data=options.data, compute=options.compute)
    runtime = open_runtime(options.compute.device, options.compute.precision, options.compute.threads)
    chosen = options.data
    if chosen.name is None and has_student_files(Path(options.model)):
        folder = Path(options.model)
        named = read_student_config(folder).origin.data
        chosen = replace(chosen, name=require_typed(named, (), what="data", option="--data", source=folder))
    data = open_data(chosen, options.model, published_normalization(options.model, options.weights, chosen), progress)
    model = open_model(options.model, options.weights, data, chosen, progress, logits=options.logits)
    started = time.perf_counter()
    result = evaluate_on(model.module.to(runtime.device), data.dataset.test, data.normalization, runtime, model.logits)
    seconds = time.perf_counter() - started
    return EvaluatedModel(
        accuracy=result.accuracy,
        loss=result.loss,
        num_images=result.num_images,
        images_per_second=result.num_images / seconds,
        device=runtime.name(),
    )
