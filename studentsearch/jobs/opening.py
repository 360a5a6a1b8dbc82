"""What every job opens first: images, a teacher, a runtime; and the facts about them that a manifest keeps."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from studentsearch import __version__
from studentsearch.data.augmentation import Augmentation, parse_augmentation
from studentsearch.data.batches import Batches, HeldOut, hold_out, in_order
from studentsearch.data.dataset import Dataset, Images
from studentsearch.data.normalization import given_normalization
from studentsearch.data.sources import open_dataset
from studentsearch.decoding import decode_json
from studentsearch.engine.evaluate import Evaluation, evaluate
from studentsearch.engine.runtime import Runtime
from studentsearch.errors import UsageError
from studentsearch.graph.network import Network
from studentsearch.graph.outputs import name_logits, network_logits_path
from studentsearch.jobs.building import fresh_model, weights_file
from studentsearch.jobs.checks import data_name
from studentsearch.jobs.options import DataOptions
from studentsearch.jobs.outputs import refuse_several_inputs, stated_logits
from studentsearch.models.libraries import library_statistics
from studentsearch.models.preparation import frozen_note
from studentsearch.models.published import published_weights
from studentsearch.models.reference import parse_model
from studentsearch.models.weights import load_weights, read_weights
from studentsearch.models.weights_file import require_weights_file
from studentsearch.outputs import ALONE, OutputPath
from studentsearch.progress import Progress
from studentsearch.records.facts import DataFacts, RunFacts, SearchTeacher
from studentsearch.records.normalization import Normalization
from studentsearch.records.student import read_student_config
from studentsearch.runs.state_hash import state_sha256
from studentsearch.runs.tensors import load_metadata
from studentsearch.student.folder import read_student
from studentsearch.student.plain import plain_network

EVALUATION_BATCH = 250
_NORMALIZATION_KEY = "normalization"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedData:
    """Images, split, and how they reach a network.

    Attributes:
        dataset: All images and their facts.
        split: The training images, a seeded tenth held out.
        augmentation: How training images are varied.
        normalization: What every network of the job sees.
    """

    dataset: Dataset
    split: HeldOut
    augmentation: Augmentation
    normalization: Normalization


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """A network with weights.

    Attributes:
        name: What the user called it.
        module: The network as plain layers, in evaluation mode.
        network: Its trace.
        sha256: Hash over its weights as they were given.
        size_step: It holds for images whose size differs from the data's by multiples of this, 0 for the data's only.
    """

    name: str
    module: nn.Module
    network: Network
    sha256: str
    size_step: int

    @property
    def logits(self) -> OutputPath:
        """Where the logits stand in what it returns."""
        return network_logits_path(self.network)


def open_data(
    options: DataOptions, model: str, default: Normalization | None = None, progress: Progress | None = None
) -> OpenedData:
    """Open the images of a job.

    Args:
        options: What the user chose.
        model: The network they are for.
        default: The normalization that came with the network's weights, if any.
        progress: Hears of images that are decoded or unpacked; None for silence.

    Returns:
        The images, the held-out tenth always the same one.

    Raises:
        UsageError: Not one mean and one standard deviation a channel, or a shift beyond the image.
    """
    dataset = open_dataset(
        data_name(options, model),
        data_root=options.data_root,
        download=options.download,
        image_size=options.image_size,
        progress=progress,
    )
    normalization = (
        given_normalization(options.mean, options.std) or default or Normalization(mean=dataset.mean, std=dataset.std)
    )
    channels = dataset.image_shape[0]
    if channels != len(normalization.mean):
        raise UsageError(
            f"the images have {channels} channels, mean and standard deviation {len(normalization.mean)}; "
            "give --mean and --std with one figure a channel, or choose a model for such images"
        )
    augmentation = parse_augmentation(options.augment, dataset.augmentation)
    if augmentation.shift >= max(dataset.image_shape[1:]):
        raise UsageError(
            f"a shift of {augmentation.shift} pixels moves images of {dataset.image_shape[1]}x{dataset.image_shape[2]} "
            "out of sight; give --augment a smaller one, such as shift:4"
        )
    return OpenedData(
        dataset=dataset,
        split=hold_out(dataset.train),
        augmentation=augmentation,
        normalization=normalization,
    )


def open_model(
    name: str,
    weights: Path | None,
    data: OpenedData,
    options: DataOptions,
    progress: Progress | None = None,
    skip: tuple[str, ...] = ("*",),
    logits: str | None = None,
) -> OpenedModel:
    """Open a trained network: a student folder, a file of weights, embedded weights, or the published ones.

    Args:
        name: Any model name, or a student folder.
        weights: A file of weights, or the name of a library's; None means the folder's, embedded or published ones.
        data: The images that it must fit.
        options: Where published weights lie and whether they may be fetched.
        progress: Hears of weights that were told apart by their order; None for silence.
        skip: Patterns of module paths whose layers keep all channels; all, where no gates are wanted, so that
            operations without a record are no obstacle.
        logits: Name or position of the output that is trained and evaluated; None means what comes with the weights, or
            the usual one.

    Returns:
        The network, written as plain layers.
    """
    reference = parse_model(name)
    stated: str | None
    if reference.is_student:
        stored = read_student(reference.path)
        refuse_several_inputs(name, stored.spec.input_names)
        module, file, stated = stored.module, weights, str(stored.spec.logits)
    else:
        module, file = fresh_model(name, data.dataset), weights_file(name, weights, data.dataset.name, options)
        stated = stated_logits(file)
    note = None if file is None else load_weights(module, read_weights(file), source=str(file))
    if note is not None and progress is not None:
        progress.say(note)
    frozen = frozen_note(module)
    if frozen is not None and progress is not None:
        progress.say(f"{frozen}; a search and students train them all the same")
    sha256 = state_sha256(module.state_dict())
    plain = plain_network(module.eval(), data.dataset.image_shape, skip=skip)
    network = name_logits(plain.network, logits or stated, num_classes=data.dataset.num_classes, source=name)
    plain_module = plain.module.to(memory_format=torch.channels_last)
    return OpenedModel(name=name, module=plain_module, network=network, sha256=sha256, size_step=plain.size_step)


def published_normalization(name: str, weights: Path | None, options: DataOptions) -> Normalization | None:
    """The normalization that a job's weights were trained with, where it is known."""
    reference = parse_model(name)
    if reference.is_student:
        origin = read_student_config(reference.path).origin
        return Normalization(mean=origin.mean, std=origin.std)
    if weights is not None:
        return _normalization_in(weights) or library_normalization(name, weights)
    entry = published_weights(name, data_name(options, name))
    return library_normalization(name) if entry is None else Normalization(mean=entry.mean, std=entry.std)


def library_normalization(name: str, weights: Path | None = None) -> Normalization | None:
    """The normalization that a library states for its network, or for those of its weights that are named."""
    return library_statistics(name, weights)


def normalization_metadata(normalization: Normalization) -> dict[str, str]:
    """What a file of weights says in its header about the inputs it was trained with."""
    return {_NORMALIZATION_KEY: json.dumps({"mean": normalization.mean, "std": normalization.std})}


def _normalization_in(weights: Path) -> Normalization | None:
    """The normalization that `teach` wrote into a safetensors file's header; other files have none."""
    if weights.suffix != ".safetensors":
        return None
    require_weights_file(weights)
    text = load_metadata(weights).get(_NORMALIZATION_KEY)
    if text is None:
        return None
    source = f"{weights}: normalization in its header"
    return decode_json(text, Normalization, source=source, cure="give --mean and --std")


def evaluate_on(
    module: nn.Module,
    images: Images,
    normalization: Normalization,
    runtime: Runtime,
    logits: OutputPath = ALONE,
) -> Evaluation:
    """Top-1 accuracy and loss of a network on images in order; `logits` says where these stand in what it returns."""
    return evaluate(module, in_order(images, normalization, EVALUATION_BATCH, runtime.device), runtime, logits)


def run_facts(
    runtime: Runtime,
    seed: int,
    data: OpenedData,
    *,
    teacher: SearchTeacher | None = None,
    student: str | None = None,
) -> RunFacts:
    """Command, versions, device, seed and data of a run, with the teacher of a search or a distillation's student."""
    packages = {name: version(name) for name in ("torch", "torchvision", "safetensors")}
    program = Path(sys.argv[0]).name
    return RunFacts(
        command=("studentsearch" if program == "__main__.py" else program, *sys.argv[1:]),
        versions={"studentsearch": __version__, "python": platform.python_version(), **packages},
        device=runtime.name(),
        seed=seed,
        data=data_facts(data),
        teacher=teacher,
        student=student,
    )


def training_batches(data: OpenedData, *, phase: str, batch_size: int, seed: int, runtime: Runtime) -> Batches:
    """Training batches of one phase of a run's randomness, on the runtime's device.

    Args:
        data: The images.
        phase: Name of the phase.
        batch_size: Images a batch.
        seed: Of order and augmentation.
        runtime: Where to compute.

    Returns:
        The batches.
    """
    return Batches(
        data.split.train,
        batch_size=batch_size,
        seed=seed,
        phase=phase,
        augmentation=data.augmentation,
        normalization=data.normalization,
        device=runtime.device,
    )


def data_facts(data: OpenedData) -> DataFacts:
    """The facts about images that decide a run's outcome."""
    return DataFacts(
        name=data.dataset.name,
        fingerprint=data.dataset.fingerprint,
        augment=str(data.augmentation),
        mean=data.normalization.mean,
        std=data.normalization.std,
    )
