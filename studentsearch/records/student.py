"""What a student's config.json holds, as typed facts: read with bounds on every size, refused where one was changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studentsearch.decoding import MAX_JSON_BYTES, decode_json, read_regular_file
from studentsearch.errors import InputFileError
from studentsearch.records.architecture import ArchitectureRecord
from studentsearch.records.blocks import BlockShare, impossible_share
from studentsearch.records.bounds import Digest
from studentsearch.records.counts import Counts, CutCheck
from studentsearch.records.names import CONFIG_NAME, WEIGHTS_NAME
from studentsearch.records.origin import Origin
from studentsearch.records.training import TrainingRecord
from studentsearch.records.weights_header import WeightsHeader, read_weights_header

SCHEMA = 3
CONFIG_HASH_KEY = "config_sha256"
"""Entry of the weights' header that holds the SHA-256 of config.json."""
_CURE = "copy the folder again, whole, or write it again"
_OLDER = "search or distil again with this version; folders of older ones are not read"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentFacts:
    """What a student is, but for its architecture and weights.

    Attributes:
        origin: Where the student comes from.
        counts: Its cost in every convention.
        teacher_counts: The teacher's cost.
        check: What was measured when it was cut.
        blocks: What was kept of every block; none of a network by name.
        training: How its weights were trained since; None for those that it was cut with.
    """

    origin: Origin
    counts: Counts
    teacher_counts: Counts
    check: CutCheck
    blocks: tuple[BlockShare, ...]
    training: TrainingRecord | None = None

    @property
    def removed(self) -> tuple[str, ...]:
        """Module paths of the layers that were removed with their branch."""
        return tuple(reader.path for block in self.blocks for reader in block.readers if reader.is_removed)

    @property
    def at_one_channel(self) -> tuple[str, ...]:
        """Module paths of the layers that were kept at one input channel."""
        return tuple(reader.path for block in self.blocks for reader in block.readers if reader.is_at_one_channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentConfig(StudentFacts):
    """Everything that config.json holds.

    Attributes:
        schema: `SCHEMA`.
        tensors_sha256: Hash over names, dtypes, shapes and values of the weights.
        architecture: Its forward pass.
    """

    schema: int
    tensors_sha256: Digest
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


def read_student_config(folder: Path) -> StudentConfig:
    """The facts of a student folder without the header of its weights, see `read_config`."""
    return read_config(folder)[0]


def config_metadata(content: bytes) -> Mapping[str, str]:
    """What the header of the weights says about config.json.

    Args:
        content: All bytes of config.json.

    Returns:
        Metadata for the weights' file.
    """
    return {CONFIG_HASH_KEY: hashlib.sha256(content).hexdigest()}
