"""Files of weights by name and place, before they are read; nothing here needs torch."""

from pathlib import Path
from typing import BinaryIO

from studentsearch.decoding import open_regular_file
from studentsearch.errors import InputFileError

_SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin", ".tar")
_MAX_BYTES = 64 * 1024**3
"""Bound on a file of weights, sixteen times the size of the largest in timm."""


def open_weights_file(path: Path) -> BinaryIO:
    """A file of weights, open for reading.

    Args:
        path: Of a kind that `studentsearch.models.weights.read_weights` reads.

    Returns:
        The file at its beginning, to be closed.

    Raises:
        InputFileError: No such file, not a regular one, too large, or of another kind.
    """
    if path.suffix not in _SUFFIXES:
        raise InputFileError(f'{path}: a file of kind "{path.suffix}"; expected one of {", ".join(_SUFFIXES)}')
    return open_regular_file(path, max_bytes=_MAX_BYTES, cure="expected weights as .safetensors, .pt or .pth")


def require_weights_file(path: Path) -> None:
    """Refuse what `open_weights_file` refuses.

    Args:
        path: A file of weights.
    """
    open_weights_file(path).close()


def embedded_weights(name: str) -> Path | None:
    """The weights that come with this package for a registry name.

    Args:
        name: A registry name such as `densenet_digits`.

    Returns:
        A `.safetensors` file, or None where the package has none.
    """
    path = Path(__file__).parent / "pretrained" / f"{name}.safetensors"
    return path if path.is_file() else None
