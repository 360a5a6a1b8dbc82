"""The teach job: train a teacher, or any baseline, on the labels alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from studentsearch.data.batches import in_order
from studentsearch.decoding import as_json
from studentsearch.engine.evaluate import TIMED_IMAGES, milliseconds_per_image
from studentsearch.engine.objective import CrossEntropy
from studentsearch.engine.runtime import Runtime, open_runtime
from studentsearch.jobs.building import fresh_model
from studentsearch.jobs.checks import require_teach
from studentsearch.jobs.opening import (
    OpenedData,
    data_facts,
    library_normalization,
    normalization_metadata,
    open_data,
    run_facts,
)
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.outcome import Trained
from studentsearch.jobs.outputs import taught_output
from studentsearch.jobs.training import Training
from studentsearch.models.preparation import frozen_note, refuse_all_frozen
from studentsearch.progress import Progress, SilentProgress
from studentsearch.records.configuration import TeachConfiguration
from studentsearch.records.names import BEST_TAUGHT_WEIGHTS_NAME, TAUGHT_WEIGHTS_NAME
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.records.results import NetworkFacts, TrainingResults
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.hold import hold_run_folder
from studentsearch.runs.manifest import decode_part
from studentsearch.runs.tensors import save_tensors
from studentsearch.student.counts import torch_flops


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachOptions:
    """What a user chooses when training a network on labels.

    Attributes:
        model: Any model name.
        out: The run folder.
        data: The images.
        compute: Device, precision, threads, seed.
        recipe: How it is trained.
        logits: Name or position of the output that is trained and evaluated; None means `out`, else `logits`, else the
            first `[B, classes]`.
    """

    model: str
    out: Path
    data: DataOptions = field(default_factory=DataOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)
    logits: str | None = None


def teach(options: TeachOptions, progress: Progress | None = None) -> TrainingResults:
    """Train a network on labels; its weights are OUT/weights.safetensors (last) and OUT/weights-best.safetensors.

    Args:
        options: Model, images, recipe, run folder.
        progress: Hears of every step; None for silence.

    Returns:
        Accuracies of the last and the best epoch, and what the network costs.
    """
    require_teach(model=options.model, data=options.data, compute=options.compute, out=options.out)
    with hold_run_folder(options.out):
        return _held_teach(options, progress or SilentProgress())


def _held_teach(options: TeachOptions, progress: Progress) -> TrainingResults:
    runtime = open_runtime(options.compute.device, options.compute.precision, options.compute.threads)
    data = open_data(options.data, options.model, library_normalization(options.model), progress)
    torch.manual_seed(options.compute.seed)
    fresh = fresh_model(options.model, data.dataset)
    output = taught_output(fresh, data.dataset, options.logits, options.model)
    module = fresh.to(runtime.device).to(memory_format=torch.channels_last)
    refuse_all_frozen(module, options.model)
    frozen = frozen_note(module)
    if frozen is not None and progress is not None:
        progress.say(f"{frozen}; they stay as they are")
    training = Training(
        module,
        CrossEntropy(module, runtime.autocast, output.training),
        options.recipe,
        data,
        phase="teach",
        seed=options.compute.seed,
        runtime=runtime,
        progress=progress,
        logits=output.evaluation,
    )
    configuration = TeachConfiguration(
        model=options.model,
        data=data_facts(data),
        precision=runtime.precision,
        seed=options.compute.seed,
        recipe=options.recipe,
        logits=output.stated,
    )
    facts = run_facts(runtime, options.compute.seed, data)
    run = RunFolder.begin(options.out, kind="teach", configuration=as_json(configuration), facts=as_json(facts))
    if run.is_finished(progress.say):
        return decode_part(run.path, "results", run.manifest.results, TrainingResults)
    trained = training.run(run)
    metadata = normalization_metadata(data.normalization) | output.metadata()
    return _finish(run, module, trained, data, runtime, metadata)


def _finish(
    run: RunFolder,
    module: nn.Module,
    trained: Trained,
    data: OpenedData,
    runtime: Runtime,
    metadata: Mapping[str, str],
) -> TrainingResults:
    """Write the weights and store the results."""
    save_tensors(run.path / TAUGHT_WEIGHTS_NAME, trained.last_state, metadata)
    save_tensors(run.path / BEST_TAUGHT_WEIGHTS_NAME, trained.best_state, metadata)
    timed = next(iter(in_order(data.dataset.test, data.normalization, TIMED_IMAGES, runtime.device))).inputs
    results = TrainingResults(
        last=trained.last,
        best=trained.best,
        roll_back=trained.roll_back,
        model=NetworkFacts(
            macs=torch_flops(module, (data.dataset.image_shape,)) // 2,
            parameters=sum(parameter.numel() for parameter in module.parameters()),
        ),
        milliseconds_per_image=milliseconds_per_image(module, timed, runtime),
    )
    files = [run.path / name for name in (TAUGHT_WEIGHTS_NAME, BEST_TAUGHT_WEIGHTS_NAME)]
    run.finish(as_json(results), run.hashes(files))
    return results
