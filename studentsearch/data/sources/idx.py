"""The idx format of the MNIST family: a big-endian header, then bytes; plain or gzipped."""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from studentsearch.data.published_files import find_idx
from studentsearch.decoding import read_regular_file
from studentsearch.errors import InputFileError

_UINT8 = 8
_MAX_BYTES = 64 * 1024 * 1024
"""Bound on a file, also when it is unpacked; the largest of Fashion-MNIST has 47,040,016."""
_CURE = "fetch the file again"


def read_idx(folder: Path, name: str, *, num_axes: int) -> Tensor:
    """The array in the idx file of that name.

    Args:
        folder: Where the file lies, plain or gzipped.
        name: The file's name without its type, such as "train-images-idx3".
        num_axes: 3 for images, 1 for labels.

    Returns:
        uint8, of the shape the file states, not empty.

    Raises:
        InputFileError: If the file is missing, damaged, too large or no idx file of bytes with so many axes.
    """
    path = find_idx(folder, name)
    if path is None:
        raise InputFileError(f"{folder} holds no {name}-ubyte or {name}-ubyte.gz: put the file there")
    content = read_regular_file(path, max_bytes=_MAX_BYTES, cure=_CURE)
    content = _unpacked(content, path) if path.suffix == ".gz" else content
    if content[:4] != bytes((0, 0, _UINT8, num_axes)):
        raise InputFileError(
            f"{path} begins with {content[:4].hex(' ')}, expected an idx file of bytes with {num_axes} axes "
            f"(00 00 08 {num_axes:02x}): {_CURE}"
        )
    start = 4 + 4 * num_axes
    if len(content) < start:
        raise InputFileError(f"{path} ends within its header: {_CURE}")
    shape = struct.unpack(f">{num_axes}I", content[4:start])
    if len(content) == start or len(content) - start != math.prod(shape):
        raise InputFileError(
            f"{path} holds {len(content) - start} bytes, its header states {math.prod(shape)}, expected as many and "
            f"at least one: {_CURE}"
        )
    return torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8).view(shape)


def _unpacked(content: bytes, path: Path) -> bytes:
    """The unpacked file, never more of it than is allowed."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(_MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputFileError(f"{path} cannot be read ({error}): {_CURE}") from error
    if len(unpacked) > _MAX_BYTES:
        raise InputFileError(f"{path} unpacks to more than {_MAX_BYTES:,} bytes: {_CURE}")
    return unpacked
