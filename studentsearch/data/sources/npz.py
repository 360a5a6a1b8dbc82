"""One npz batch of downsampled ImageNet: its labels at once, its pixels as a stream; nothing is unpickled."""

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from studentsearch.decoding import open_regular_file
from studentsearch.errors import InputFileError

_CHUNK_IMAGES = 1024
_MEMBERS = ("data.npy", "labels.npy")
_CHANNELS = 3
_SIDES = (32, 64)
_MAGIC_BYTES = 8
_VERSIONS = {(1, 0), (2, 0), (3, 0)}
_MAX_FILE_BYTES = 64 * 1024**3
"""Bound on an npz file, eightfold the largest that is published."""
_MAX_HEADER_BYTES = 10_000  # numpy's own bound
_MAX_IMAGES = 10_000_000
"""Bound on the images of a file; all of ImageNet has 1,281,167."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NpzBatch:
    """What a file of images holds, known before its pixels are read.

    Attributes:
        path: The file.
        labels: `[N]`, int64, as the file has them: counted from 1.
        side: Height and width of its images.
    """

    path: Path
    labels: npt.NDArray[np.int64]
    side: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    is_column_major: bool


def survey_npz(path: Path, side: int) -> NpzBatch:
    """The labels of a file, after a look at what its pixels claim to be.

    Args:
        path: An npz file with `data`, uint8 `[N, 3 * side * side]`, and `labels`, N integers.
        side: Height and width of the images.

    Returns:
        What the file holds.

    Raises:
        InputFileError: If the file is damaged, lacks either array, or holds another form of array.
    """
    with _opened(path) as archive:
        missing = [name.removesuffix(".npy") for name in _MEMBERS if name not in archive.namelist()]
        if missing:
            found = ", ".join(name.removesuffix(".npy") for name in archive.namelist()) or "nothing"
            raise InputFileError(
                f"{path} holds {found} and no {missing[0]}, expected data and labels: fetch the file again"
            )
        labels = _read_labels(archive, path)
        with archive.open("data.npy") as member:
            header = _read_header(member)
    _require_rows(path, header, num_images=len(labels), side=side)
    return NpzBatch(path=path, labels=labels.astype(np.int64), side=side)


def read_pixels(batch: NpzBatch) -> Iterator[bytes]:
    """The pixels of a file, some images at a time.

    Args:
        batch: What `survey_npz` found.

    Yields:
        Whole images, each its red, its green and its blue plane.

    Raises:
        InputFileError: If the file is damaged, or holds fewer or more bytes than it states.
    """
    image_bytes = _CHANNELS * batch.side**2
    missing = len(batch.labels) * image_bytes
    with _opened(batch.path) as archive, archive.open("data.npy") as member:
        _read_header(member)
        # One byte more than is due, if there is one: reading to the end is also what checks the sum over the file.
        while chunk := member.read(min(_CHUNK_IMAGES * image_bytes, missing + 1)):
            missing -= len(chunk)
            if missing < 0 or len(chunk) % image_bytes:
                break
            yield chunk
    if missing:
        raise InputFileError(
            f"{batch.path}: data holds {'more' if missing < 0 else 'fewer'} bytes than its "
            f"{len(batch.labels)} images of {image_bytes}: fetch the file again"
        )


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with (
            open_regular_file(path, max_bytes=_MAX_FILE_BYTES, cure="fetch the file again") as file,
            zipfile.ZipFile(file) as archive,
        ):
            yield archive
    except InputFileError:
        raise
    except Exception as error:  # what a damaged file raises depends on where it is damaged, and on its compression
        reason = " ".join(str(error).split())
        raise InputFileError(f"{path} cannot be read ({reason}), expected an npz file: fetch the file again") from error


def _read_labels(archive: zipfile.ZipFile, path: Path) -> npt.NDArray[np.generic]:
    """A row of integers; the header and the size that the archive states are compared before the row is read."""
    with archive.open("labels.npy") as member:
        header = _read_header(member)
        if len(header.shape) != 1 or header.dtype.kind not in "iu" or not 1 <= header.shape[0] <= _MAX_IMAGES:
            raise InputFileError(
                f"{path}: labels are {header.dtype} of shape {header.shape}, expected a row of integers, "
                f"1 to {_MAX_IMAGES:,}, one an image: fetch the file again"
            )
        num_bytes = header.shape[0] * header.dtype.itemsize
        content = member.read(num_bytes + 1)
    if len(content) != num_bytes:
        raise InputFileError(
            f"{path}: labels hold {'more' if len(content) > num_bytes else 'fewer'} bytes than their "
            f"{header.shape[0]} integers: fetch the file again"
        )
    return np.frombuffer(content, dtype=header.dtype)


def _read_header(member: IO[bytes]) -> _Header:
    """What an array claims to be; nothing of it is believed yet."""
    start = member.read(_MAGIC_BYTES)
    version = np.lib.format.read_magic(io.BytesIO(start))
    if version not in _VERSIONS:
        raise ValueError(f"an array of version {version}")
    length = member.read(2 if version == (1, 0) else 4)
    num_bytes = int.from_bytes(length, "little")
    if num_bytes > _MAX_HEADER_BYTES:  # numpy would read as many first
        raise ValueError(f"an array header of {num_bytes:,} bytes")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_column_major, dtype = read(io.BytesIO(length + member.read(num_bytes)))
    return _Header(shape=shape, dtype=dtype, is_column_major=is_column_major)


def _require_rows(path: Path, header: _Header, *, num_images: int, side: int) -> None:
    expected = (num_images, _CHANNELS * side**2)
    if header.shape == expected and header.dtype == np.uint8 and not header.is_column_major:
        return
    order = ", columns first" if header.is_column_major else ""
    found_side = math.isqrt(header.shape[-1] // _CHANNELS) if header.shape else 0
    other = found_side in _SIDES and found_side != side
    cure = f"open such images as imagenet{found_side}:PATH" if other else "fetch the file again"
    raise InputFileError(
        f"{path}: data is {header.dtype} of shape {header.shape}{order}, expected uint8 of shape {expected}, rows of "
        f"red, green and blue planes, for as many labels: {cure}"
    )
