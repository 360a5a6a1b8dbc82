"""The idx format of the MNIST family: a big-endian header, then bytes; plain or gzipped."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from studentsearch.errors import InputFileError

_UINT8 = 8


def find_idx(folder: Path, name: str) -> Path | None:
    """The idx file of that name in a folder.

    Args:
        folder: Where to look.
        name: The file's name without its type, such as "train-images-idx3".

    Returns:
        The plain file if it is there, else the gzipped one, else None.
    """
    for suffix in ("-ubyte", "-ubyte.gz"):
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return path
    return None


def read_idx(folder: Path, name: str) -> Tensor:
    """The array in the idx file of that name.

    Args:
        folder: Where the file lies, plain or gzipped.
        name: The file's name without its type, such as "train-images-idx3".

    Returns:
        uint8, of the shape the file states.

    Raises:
        InputFileError: If the file is missing, damaged or no idx file of bytes.
    """
    path = find_idx(folder, name)
    if path is None:
        raise InputFileError(f"{folder} holds no {name}-ubyte or {name}-ubyte.gz: put the file there")
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputFileError(f"{path} cannot be read ({error}): fetch the file again") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UINT8:
        raise InputFileError(f"{path} begins with {content[:4].hex(' ')}, expected an idx file of bytes (00 00 08 ..)")
    num_axes = content[3]
    start = 4 + 4 * num_axes
    if len(content) < start:
        raise InputFileError(f"{path} ends within its header: fetch the file again")
    shape = struct.unpack(f">{num_axes}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise InputFileError(
            f"{path} holds {len(content) - start} bytes, its header states {math.prod(shape)}: fetch the file again"
        )
    return torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8).view(shape)
