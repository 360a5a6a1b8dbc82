"""Named tensors on disk, as safetensors: no code is run when such a file is read."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from studentsearch.disk import write_bytes
from studentsearch.errors import DivergedError, InputFileError
from studentsearch.finite import names_not_finite

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] = _NO_METADATA) -> str:
    """Replace a safetensors file whole.

    Args:
        path: The file; its folder is made where it is missing.
        tensors: Any shapes, dtypes and devices; tensors that share memory are written one by one.
        metadata: Text kept in the file's header.

    Returns:
        SHA-256 of the written file, 64 hexadecimal digits.

    Raises:
        DivergedError: A tensor is not finite; nothing is written then. Lower the learning rate.
    """
    require_finite(tensors, path)
    content = tensors_to_bytes(tensors, metadata)
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def require_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse to write what is not finite.

    Args:
        tensors: Any shapes, dtypes and devices.
        path: Where they were to be written, for the message.

    Raises:
        DivergedError: A tensor is not finite; lower the learning rate.
    """
    broken = names_not_finite(tensors)
    if broken:
        more = f" and {len(broken) - 1} more" if broken[1:] else ""
        raise DivergedError(
            f"{path} is not written: {broken[0]}{more} would not be finite; lower the learning rate, or give other "
            "weights"
        )


def tensors_to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] = _NO_METADATA) -> bytes:
    """The content of a safetensors file.

    Args:
        tensors: Any shapes, dtypes and devices; tensors that share memory are written one by one.
        metadata: Text kept in the header.

    Returns:
        All of its bytes.
    """
    # copied: safetensors refuses tensors that share memory or are strided
    on_host = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    content: bytes = save(on_host, dict(metadata) or None)
    return content


def require_fit(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, source: str, cure: str) -> None:
    """Refuse tensors that are not those of a network.

    Args:
        tensors: What a file holds.
        expected: What the network holds: the same names, shapes and dtypes.
        source: The file, for the message.
        cure: What the user can do, for the message.

    Raises:
        InputFileError: One is missing, unknown, or of another shape or dtype.
    """
    missing = sorted(expected.keys() - tensors.keys())
    unknown = sorted(tensors.keys() - expected.keys())
    if missing or unknown:
        found = f"no tensor {missing[0]!r}" if missing else f"an unknown tensor {unknown[0]!r}"
        raise InputFileError(f"{source} holds {found}; expected the {len(expected)} of this run's network; {cure}")
    for name, tensor in tensors.items():
        wanted = expected[name]
        if (tensor.shape, tensor.dtype) != (wanted.shape, wanted.dtype):
            raise InputFileError(
                f"{source}: {name!r} has shape {list(tensor.shape)} and {tensor.dtype}; expected "
                f"{list(wanted.shape)} and {wanted.dtype}; {cure}"
            )


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file, on the CPU.

    Args:
        path: A file written by `save_tensors` or any other safetensors file.

    Returns:
        Name to tensor, shapes and dtypes as saved.

    Raises:
        InputFileError: The file is missing, unreadable or damaged; give another one.
    """
    try:
        loaded: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    return loaded


def load_metadata(path: Path) -> dict[str, str]:
    """The text kept in the header of a safetensors file.

    Args:
        path: An existing safetensors file.

    Returns:
        Key to text; empty where none was saved.

    Raises:
        InputFileError: The file is missing, unreadable or damaged; give another one.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputFileError:
    if not path.is_file():
        return InputFileError(f"found no file {path}; expected safetensors weights there; check the path")
    reason = " ".join(str(error).split())
    return InputFileError(f"cannot read {path}: {reason}; expected a whole safetensors file; copy or make it again")
