"""The two newest checkpoints of a run: sealed by a hash over all of their bytes, and never both at risk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypedDict, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from studentsearch.decoding import Record, as_json, decode_json, read_regular_file
from studentsearch.disk import disk_error, move, write_beside
from studentsearch.errors import InputFileError
from studentsearch.records.names import CHECKPOINT_NAME, PREVIOUS_CHECKPOINT_NAME
from studentsearch.runs.metrics import MetricsMark
from studentsearch.runs.tensors import require_finite, tensors_to_bytes

MAX_CHECKPOINT_BYTES = 1 << 36
_MAX_HEADER_BYTES = 100_000_000  # of any safetensors file, as the library has it
_LENGTH_BYTES = 8
_HEADER_KEY, _FACTS_KEY, _SEAL_KEY = "checkpoint", "facts", "sha256"
_BLANK_SEAL = "0" * 64


Facts = TypeVar("Facts", bound=Record)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint(Generic[Facts]):
    """Everything a run needs to go on.

    Attributes:
        step: Steps done.
        tensors: Name to tensor, on the CPU.
        facts: What is no tensor: time, best value so far.
        metrics: How far metrics.csv had come.
        torch: Version of torch that computed it.
        file: Where it was read.
    """

    step: int
    tensors: Mapping[str, Tensor]
    facts: Facts
    metrics: MetricsMark
    torch: str
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Whose a checkpoint is: the job, and the hash over its configuration."""

    kind: str
    configuration_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    step: int
    run: RunIdentity
    metrics: MetricsMark
    torch: str = field(default_factory=lambda: str(torch.__version__))


class _FileHeader(TypedDict):
    __metadata__: dict[str, str]


class CheckpointFiles:
    """The checkpoint files of one run folder.

    A new checkpoint is written beside and flushed; only then the newest takes the place of the previous one and the
    new one that of the newest. At every moment one of the two is whole, whatever ends the process or fills the disk.
    """

    def __init__(self, folder: Path, run: RunIdentity) -> None:
        """Name the files; nothing is read or written yet.

        Args:
            folder: The run folder.
            run: Whose checkpoints they are.
        """
        self._newest, self._previous = folder / CHECKPOINT_NAME, folder / PREVIOUS_CHECKPOINT_NAME
        self._run = run
        self._keeps_newest = True

    @property
    def exist(self) -> bool:
        """Whether a checkpoint lies there, whole or not."""
        return any(os.path.lexists(file) for file in (self._newest, self._previous))

    def save(self, step: int, tensors: Mapping[str, Tensor], facts: Record, metrics: MetricsMark) -> None:
        """Write the newest checkpoint; the one before stays.

        Args:
            step: Steps done.
            tensors: Everything that moves.
            facts: What is no tensor.
            metrics: How far metrics.csv has come.

        Raises:
            DiskError: It cannot be written, and those of before stay; free space or choose another folder.
        """
        require_finite(tensors, self._newest)
        header = _Header(step=step, run=self._run, metrics=metrics)
        content = _sealed(tensors, {_HEADER_KEY: _encoded(header), _FACTS_KEY: _encoded(facts)})
        try:
            beside = write_beside(self._newest, content)
            # A newest one that is damaged must not take the place of the previous one, which is whole.
            if self._keeps_newest and self._newest.exists():
                self._newest.replace(self._previous)
            move(beside, self._newest)
        except OSError as error:
            raise disk_error(self._newest, error) from error
        self._keeps_newest = True

    def load(self, form: type[Facts], say: Callable[[str], None], *, cure: str) -> Checkpoint[Facts]:
        """The newest checkpoint that is whole and of this run.

        Args:
            form: What its facts must hold.
            say: Hears of a newest one that is missing or damaged.
            cure: What the user can do where there is none, for the message.

        Returns:
            The checkpoint.

        Raises:
            InputFileError: There is none that is whole.
        """
        try:
            return _read(self._newest, self._run, form)
        except InputFileError as error:
            problem = error
        try:
            found = _read(self._previous, self._run, form)
        except InputFileError as error:
            other = f"; {error}" if os.path.lexists(self._previous) else ", and there is none before it"
            raise InputFileError(f"{problem}{other}; {cure}") from error
        self._keeps_newest = False
        say(f"warning: {problem}; continued from the checkpoint before it, step {found.step}")
        return found

    def remove(self) -> None:
        """Remove both.

        Raises:
            DiskError: They cannot be removed; give permission there.
        """
        for file in (self._newest, self._previous):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise disk_error(file, error) from error


def _encoded(facts: Record) -> str:
    return json.dumps(as_json(facts), allow_nan=False)


def _sealed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file whose header holds the hash over all of its bytes, taken with zeros in the hash's place."""
    content = tensors_to_bytes(tensors, {**metadata, _SEAL_KEY: _BLANK_SEAL})
    return _with_seal(content, _BLANK_SEAL, hashlib.sha256(content).hexdigest())


def _with_seal(content: bytes, old: str, new: str) -> bytes:
    # A quote within a metadata text stands there as \", so that this is found nowhere else in the header.
    return content.replace(f'"{_SEAL_KEY}":"{old}"'.encode(), f'"{_SEAL_KEY}":"{new}"'.encode(), 1)


def _read(file: Path, run: RunIdentity, form: type[Facts]) -> Checkpoint[Facts]:
    if not os.path.lexists(file):
        raise InputFileError(f"{file} is gone")
    content = read_regular_file(file, max_bytes=MAX_CHECKPOINT_BYTES, cure="so it is not used")
    metadata = _metadata(content, file)
    seal = metadata.get(_SEAL_KEY, "")
    blank = _with_seal(content, seal, _BLANK_SEAL)
    if len(seal) != len(_BLANK_SEAL) or hashlib.sha256(blank).hexdigest() != seal:
        raise InputFileError(f"{file} is damaged: the SHA-256 over its content is not the one in its header")
    header = _part(metadata, _HEADER_KEY, _Header, file)
    if header.run != run:
        raise InputFileError(f"{file} is of a {header.run.kind} run with other options")
    try:
        # Copied to where torch itself would put them: on other addresses its kernels may add in another order.
        tensors: dict[str, Tensor] = {name: tensor.clone() for name, tensor in load(content).items()}
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputFileError(f"{file} is damaged: {' '.join(str(error).split())}") from error
    return Checkpoint(
        step=header.step,
        tensors=tensors,
        facts=_part(metadata, _FACTS_KEY, form, file),
        metrics=header.metrics,
        torch=header.torch,
        file=file,
    )


def _metadata(content: bytes, file: Path) -> Mapping[str, str]:
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not 0 < length <= min(len(content) - _LENGTH_BYTES, _MAX_HEADER_BYTES):
        raise InputFileError(f"{file} is damaged: it has {len(content):,} bytes and its header does not fit them")
    text = content[_LENGTH_BYTES : _LENGTH_BYTES + length]
    return decode_json(text, _FileHeader, source=f"{file} is damaged", cure="so it is not used")["__metadata__"]


def _part(metadata: Mapping[str, str], key: str, form: type[Facts], file: Path) -> Facts:
    return decode_json(metadata.get(key, ""), form, source=f"{file} is damaged: {key}", cure="so it is not used")
