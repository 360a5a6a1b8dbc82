"""What a student's config.json holds, as typed facts: read with bounds on every size, refused where one was changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from msgspec import Meta

from studentsearch.decoding import MAX_JSON_BYTES, decode_json, read_regular_file
from studentsearch.errors import InputFileError
from studentsearch.records.blocks import BlockShare, impossible_share
from studentsearch.records.bounds import Amount, Digest, Percent, Text
from studentsearch.records.weights_header import WeightsHeader, read_weights_header

SCHEMA = 3
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
CONFIG_HASH_KEY = "config_sha256"
"""Entry of the weights' header that holds the SHA-256 of config.json."""
_CURE = "copy the folder again, whole, or write it again"
_OLDER = "search or distil again with this version; folders of older ones are not read"
_MAX_NESTING = 10

_Scalar: TypeAlias = bool | int | float | str | None
if TYPE_CHECKING:
    Argument: TypeAlias = "_Scalar | tuple[Argument, ...]"
else:
    # The decoder has no recursive types: a type as deep as arguments may be nested.
    Argument = Annotated[int, Meta(ge=-(2**53), le=2**53)] | bool | float | Text | None
    for _ in range(_MAX_NESTING):
        Argument = Annotated[int, Meta(ge=-(2**53), le=2**53)] | bool | float | Text | None | tuple[Argument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of a student's forward pass as it stands in config.json, see `studentsearch.student.spec.Step`."""

    name: Text
    kind: Text
    path: Text
    inputs: tuple[Text, ...]
    arguments: dict[Text, Argument]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureRecord:
    """A student's forward pass as it stands in config.json."""

    input_shapes: Annotated[
        tuple[Annotated[tuple[Annotated[int, Meta(ge=1, le=2**20)], ...], Meta(min_length=1, max_length=5)], ...],
        Meta(min_length=1, max_length=16),
    ]
    steps: Annotated[tuple[StepRecord, ...], Meta(min_length=1, max_length=100_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a student comes from and what its images look like.

    Attributes:
        teacher: Name of the teacher; empty where labels alone taught.
        teacher_sha256: Hash of its weights; empty where there is none.
        data: Name of the data.
        data_sha256: Fingerprint of the data.
        classes: Names of the classes, in the order of the logits.
        mean: Channel means that inputs are normalised with, pixels in 0..1.
        std: Channel standard deviations.
        architecture: Name of the network that it is, whole; empty where it was cut out of the teacher.
    """

    teacher: Text
    teacher_sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
    data: Text
    data_sha256: Digest
    classes: Annotated[tuple[Text, ...], Meta(max_length=1_000_000)]
    mean: Annotated[tuple[float, ...], Meta(min_length=1, max_length=100)]
    std: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1, max_length=100)]
    architecture: Text = ""

    @property
    def words(self) -> str:
        """What the student is, for titles: `Student of densenet`, `resnet8 taught by resnet32`."""
        if not self.architecture:
            return f"Student of {self.teacher}"
        return f"{self.architecture} taught by {self.teacher or 'labels alone'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The cost of one image.

    Attributes:
        macs: Multiply-accumulates of convolutions and linear layers; the budget's unit.
        paper: `macs`, 2 per BatchNorm element and 1 per element that a pooling writes (Gu and Tresp 2020).
        thop: What thop reports by default.
        flops: What torch's FlopCounterMode reports: 2 per multiply-accumulate.
        parameters: Trainable numbers.
    """

    macs: Amount
    paper: Amount
    thop: Amount
    flops: Amount
    parameters: Amount

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutCheck:
    """What the proof measured.

    Attributes:
        difference: Largest difference of a logit, relative to the largest logit, in float64.
        counted_macs: Our count.
        counter: Who counted the exported module: `thop`, or `torch` (half of FlopCounterMode's figure) where it has
            operations that thop cannot count.
        independent_macs: That count.
    """

    difference: Annotated[float, Meta(ge=0)]
    counted_macs: Amount
    counter: Text
    independent_macs: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherRecord:
    """One network that taught: its name, the hash of its weights, and its test accuracy in percent."""

    name: Text
    sha256: Digest
    accuracy_test: Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """How a student's weights were trained, and what they reach; accuracies in percent.

    Attributes:
        method: The loss.
        init: Where training started: `scratch` or `inherit`.
        teachers: Who taught, in order; none where labels alone did.
        via: The temporal network between the teachers and the student; empty where there was none.
        step: Steps taken until these weights.
        epoch: Passes over the training images until then.
        epochs: Passes planned, where no steps were.
        steps: Steps planned; None where passes were.
        batch: Images a step.
        rate: Learning rate after warm-up.
        schedule: How the learning rate falls.
        weight_decay: On all parameters.
        seed: Of everything random.
        augment: How training images were varied.
        accuracy_before: On the test images, as the student was cut; None for a network by name.
        accuracy_held_out: On the held-out training images.
        accuracy_test: On the test images.
    """

    method: Text
    init: Text
    teachers: Annotated[tuple[TeacherRecord, ...], Meta(max_length=1000)]
    via: Text
    step: Amount
    epoch: Annotated[float, Meta(ge=0)]
    epochs: Amount
    steps: Amount | None
    batch: Amount
    rate: Annotated[float, Meta(gt=0)]
    schedule: Text
    weight_decay: float
    seed: int
    augment: Text
    accuracy_before: Percent | None
    accuracy_held_out: Percent
    accuracy_test: Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentConfig:
    """Everything that config.json holds.

    Attributes:
        schema: `SCHEMA`.
        tensors_sha256: Hash over names, dtypes, shapes and values of the weights.
        origin: Where the student comes from.
        counts: Its cost in every convention.
        teacher_counts: The teacher's cost.
        check: What was measured when it was cut.
        blocks: What was kept of every block; none of a network by name.
        training: How its weights were trained since; None for those that it was cut with.
        architecture: Its forward pass.
    """

    schema: int
    tensors_sha256: Digest
    origin: Origin
    counts: Counts
    teacher_counts: Counts
    check: CutCheck
    blocks: tuple[BlockShare, ...]
    training: TrainingRecord | None
    architecture: ArchitectureRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class _Schema:
    schema: int


def has_student_files(folder: Path) -> bool:
    """Whether config.json and weights stand in a folder, be they regular files or not: reading them tells."""
    return all(os.path.lexists(folder / name) for name in (CONFIG_NAME, WEIGHTS_NAME))


def read_config(folder: Path) -> tuple[StudentConfig, WeightsHeader]:
    """The facts of a student folder and the header of its weights, which vouches for them.

    Args:
        folder: A student folder.

    Returns:
        What config.json holds, and what the weights' file says of its tensors.

    Raises:
        InputFileError: A file is missing, damaged or of another schema, or config.json is not the one that the weights
            were written with.
    """
    path = folder / CONFIG_NAME
    if not path.exists():
        raise InputFileError(
            f"{folder}: found no {path}, so not a student folder; give one that search or distil wrote"
        )
    content = read_regular_file(path, max_bytes=MAX_JSON_BYTES, cure=_CURE)
    schema = decode_json(content, _Schema, source=str(path), cure=_CURE).schema
    if schema != SCHEMA:
        raise InputFileError(f"{path} has schema {schema}; expected {SCHEMA}; {_OLDER}")
    config = decode_json(content, StudentConfig, source=str(path), cure=_CURE)
    weights = folder / WEIGHTS_NAME
    header = read_weights_header(weights)
    expected, found = header.metadata.get(CONFIG_HASH_KEY, ""), hashlib.sha256(content).hexdigest()
    if found != expected:
        said = f"{expected[:12]}..." if expected else "none"
        raise InputFileError(
            f"{path} was changed: its SHA-256 is {found[:12]}..., the header of {WEIGHTS_NAME} says {said!a}; {_CURE}"
        )
    impossible = impossible_share(config.blocks)
    if impossible is not None:
        raise InputFileError(f"{path}: {impossible!a} keeps more channels than it had; {_CURE}")
    if len(config.origin.mean) != len(config.origin.std):
        raise InputFileError(f"{path}: a mean and a standard deviation of different channels; {_CURE}")
    return config, header


def config_metadata(content: bytes) -> Mapping[str, str]:
    """What the header of the weights says about config.json.

    Args:
        content: All bytes of config.json.

    Returns:
        Metadata for the weights' file.
    """
    return {CONFIG_HASH_KEY: hashlib.sha256(content).hexdigest()}
