"""The idx format of the MNIST family: a big-endian header, then bytes; plain or gzipped."""

import gzip
import io
import tempfile
import zlib
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from studentsearch.data.published_files import find_idx
from studentsearch.decoding import read_regular_file
from studentsearch.errors import InputFileError

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
    with tempfile.TemporaryDirectory() as scratch:  # torchvision reads plain files only
        plain = Path(scratch) / name
        plain.write_bytes(content)
        try:
            array: Tensor = read_sn3_pascalvincent_tensor(str(plain))
        except (AssertionError, KeyError, RuntimeError, ValueError) as error:
            raise InputFileError(f"{path} is no idx file, or its data do not fit its header: {_CURE}") from error
    if array.dtype != torch.uint8 or array.dim() != num_axes or not array.numel():
        raise InputFileError(
            f"{path} holds {array.dtype} of shape {list(array.shape)}, expected bytes with {num_axes} axes, one at "
            f"least: {_CURE}"
        )
    return array


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
