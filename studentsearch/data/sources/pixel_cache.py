"""Images unpacked once into files of raw bytes, and the facts that say that these files are whole."""

import dataclasses
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from studentsearch.data.dataset import Images
from studentsearch.data.mapped import map_pixels
from studentsearch.decoding import read_json
from studentsearch.disk import flush_folder, hold, move, open_own, remove_leftovers, write_beside
from studentsearch.errors import DiskError, InputFileError

Part = Literal["train", "test"]
_PARTS: tuple[Part, ...] = ("train", "test")
_FACTS_NAME = "facts.json"
_LOCK_NAME = "lock"
_LABEL_BYTES = 8
MAX_CLASSES = 100_000
"""Four times those of the whole ImageNet; a damaged label or file of facts would otherwise make millions of classes."""
Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that images came from, and how it is told whether it is still the same one."""

    name: str
    num_bytes: int
    changed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """Images of one part, and the SHA-256 of the file of their pixels."""

    num_images: Positive
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFacts:
    """What a whole cache holds.

    Attributes:
        sources: The files that its images came from.
        image_shape: Channels, height and width of every image.
        num_classes: Labels are 0 to one less.
        train: Training images.
        test: Test images.
        mean: Mean of each channel of `train`, in 0..1.
        std: Standard deviation of each channel of `train`, in 0..1.
        fingerprint: That of the dataset.
    """

    sources: tuple[SourceFile, ...]
    image_shape: tuple[int, int, int]
    num_classes: Annotated[int, msgspec.Meta(ge=1, le=MAX_CLASSES)]
    train: PartFacts
    test: PartFacts
    mean: tuple[Share, ...]
    std: tuple[Share, ...]
    fingerprint: str


def source_file(path: Path) -> SourceFile:
    """The facts about a file that tell whether it was changed."""
    found = path.stat()
    return SourceFile(name=path.name, num_bytes=found.st_size, changed_ns=found.st_mtime_ns)


def read_facts(folder: Path, sources: tuple[SourceFile, ...], image_shape: tuple[int, int, int]) -> CacheFacts | None:
    """The facts of the cache in a folder.

    Args:
        folder: Where the cache lies, if there is one.
        sources: The files that the images are in now.
        image_shape: Channels, height and width of every image.

    Returns:
        The facts; None where there are none, the cache is of other files or images, or a file of it is not whole.
    """
    try:
        facts = read_json(folder / _FACTS_NAME, CacheFacts, cure="it is built again")
        fits = facts.sources == sources and facts.image_shape == image_shape
        return facts if fits and _is_whole(folder, facts) else None
    except (OSError, InputFileError):
        return None


def write_facts(folder: Path, facts: CacheFacts) -> None:
    """Say that a cache is whole: the last thing that is written.

    Args:
        folder: Where its other files lie.
        facts: What it holds.
    """
    path = folder / _FACTS_NAME
    with _disk_errors(path):
        move(write_beside(path, json.dumps(dataclasses.asdict(facts), indent=2).encode() + b"\n"), path)


def open_part(folder: Path, part: Part, shape: tuple[int, int, int, int]) -> Images:
    """The images of one part, mapped.

    Args:
        folder: Where the cache lies.
        part: Which part.
        shape: Images, channels, height and width.

    Returns:
        The images, in the order in which they were written.
    """
    labels = np.fromfile(_labels_path(folder, part), dtype="<i8").astype(np.int64, copy=False)
    return Images(pixels=map_pixels(_pixels_path(folder, part), shape), labels=torch.from_numpy(labels))


def write_part(folder: Path, part: Part, labels: npt.NDArray[np.int64], pixels: Iterable[bytes]) -> PartFacts:
    """Write the images of one part.

    Args:
        folder: Where the cache shall lie.
        part: Which part.
        labels: `[N]`, the class of each image.
        pixels: The bytes of N images, in pieces.

    Returns:
        The facts about the part.
    """
    _write(_labels_path(folder, part), [labels.astype("<i8").tobytes()])
    return PartFacts(num_images=len(labels), sha256=_write(_pixels_path(folder, part), pixels))


@contextmanager
def only_builder(folder: Path) -> Iterator[None]:
    """Make the folder and hold it: another process that wants to build there waits.

    Args:
        folder: Where the cache lies or shall lie.

    Yields:
        Once, when this process alone may write there.
    """
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with hold(folder / _LOCK_NAME, wait_seconds=-1):
        yield


def clear(folder: Path) -> None:
    """Remove what an earlier or a broken cache left; who still has it mapped keeps it until they end."""
    with _disk_errors(folder):
        (folder / _FACTS_NAME).unlink(missing_ok=True)
        # Without facts nobody takes the rest for whole, so that they must be gone for good before the rest is.
        flush_folder(folder)
        remove_leftovers(folder)
        for part in _PARTS:
            _pixels_path(folder, part).unlink(missing_ok=True)
            _labels_path(folder, part).unlink(missing_ok=True)


def require_space(folder: Path, num_images: int, image_shape: tuple[int, int, int]) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        folder: Where the cache shall lie.
        num_images: Of all parts.
        image_shape: Channels, height and width of every image.

    Raises:
        DiskError: There is less space than the images need.
    """
    channels, height, width = image_shape
    needed = num_images * (channels * height * width + _LABEL_BYTES)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskError(
            f"cannot write {folder}: {num_images} images need {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free; "
            f"free space there, or link the npz files into a folder on another disk and give that"
        )


def _pixels_path(folder: Path, part: Part) -> Path:
    return folder / f"{part}-pixels.bin"


def _labels_path(folder: Path, part: Part) -> Path:
    return folder / f"{part}-labels.bin"


def _write(path: Path, pieces: Iterable[bytes]) -> str:
    """Write a file and see it on the disk; the SHA-256 of its bytes."""
    digest = hashlib.sha256()
    with _disk_errors(path), open_own(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _is_whole(folder: Path, facts: CacheFacts) -> bool:
    image_bytes = math.prod(facts.image_shape)
    parts: dict[Part, PartFacts] = {"train": facts.train, "test": facts.test}
    return all(
        _pixels_path(folder, part).stat().st_size == known.num_images * image_bytes
        and _labels_path(folder, part).stat().st_size == known.num_images * _LABEL_BYTES
        for part, known in parts.items()
    )


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror or error}; free space or give permission there, or link the npz "
            f"files into a folder that can be written and give that"
        ) from error
