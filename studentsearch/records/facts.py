"""Where a run's figures come from: command, versions, device, data; as manifest.json holds it under `facts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from studentsearch.decoding import LEFT_OUT
from studentsearch.records.bounds import Amount, Digest, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """The images of a run.

    Attributes:
        name: Name of the data.
        fingerprint: Hash over images and labels.
        augment: How training images are varied.
        mean: Channel means that inputs are normalised with, pixels in 0..1.
        std: Channel standard deviations.
    """

    name: Text
    fingerprint: Text
    augment: Text
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTeacher:
    """The teacher of a search, so that a distillation opens it again.

    Attributes:
        name: What the user called it.
        weights: The file of its weights; None for embedded or published ones.
        sha256: Hash over its weights.
        data_root: Folder of named data; None for the default.
        image_size: Pixels that images were resized to; None for their own size.
        macs: Multiply-accumulates of one image.
        parameters: Trainable numbers.
        logits: The output that was searched with; None where the network returns logits alone.
    """

    name: Text
    weights: Text | None
    sha256: Digest
    data_root: Text | None
    image_size: Amount | None
    macs: Amount
    parameters: Amount
    logits: Text | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Command, versions, device, seed and data of a run.

    Attributes:
        command: The command line, word by word.
        versions: Of this package, of Python and of what computes, by name.
        device: The device, its threads and the precision, in words.
        seed: Of everything random.
        data: The images.
        teacher: Of a search.
        student: Of a distillation: a student's folder, or the name of a network.
    """

    command: tuple[Text, ...]
    versions: Mapping[Text, Text]
    device: Text
    seed: int
    data: DataFacts
    teacher: SearchTeacher | None = field(default=None, metadata=LEFT_OUT)
    student: Text | None = field(default=None, metadata=LEFT_OUT)
