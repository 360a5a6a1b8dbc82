"""The header of a safetensors file, read with bounds and without torch: which tensors it holds, and its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Raw

from studentsearch.decoding import decode_json, read_part
from studentsearch.errors import InputFileError
from studentsearch.records.bounds import Amount

MAX_HEADER_BYTES = 100_000_000
"""The format's own bound."""
_CURE = "copy it again, whole, or write it again"
_LENGTH_BYTES = 8
_METADATA = "__metadata__"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """One tensor of a file: its dtype as safetensors spells it, and its shape."""

    dtype: Literal["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"]
    shape: Annotated[tuple[Amount, ...], Meta(max_length=16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsHeader:
    """What a safetensors file says of itself.

    Attributes:
        tensors: Its tensors by name.
        metadata: Text by key.
    """

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]


def read_weights_header(path: Path) -> WeightsHeader:
    """The header of a safetensors file.

    Args:
        path: The file.

    Returns:
        Its tensors and metadata.

    Raises:
        InputFileError: Missing, not a regular file, or no safetensors file.
    """
    length = int.from_bytes(read_part(path, offset=0, num_bytes=_LENGTH_BYTES, cure=_CURE), "little")
    if not 0 < length <= MAX_HEADER_BYTES:
        raise InputFileError(
            f"{path}: a header of {length:,} bytes; expected a safetensors file, with at most "
            f"{MAX_HEADER_BYTES:,}; {_CURE}"
        )
    content = read_part(path, offset=_LENGTH_BYTES, num_bytes=length, cure=_CURE)
    source = f"{path}: its header"
    entries = decode_json(content, dict[str, Raw], source=source, cure=_CURE)
    metadata = entries.pop(_METADATA, Raw(b"{}"))
    return WeightsHeader(
        tensors={
            name: decode_json(bytes(entry), TensorEntry, source=source, cure=_CURE) for name, entry in entries.items()
        },
        metadata=decode_json(bytes(metadata), dict[str, str], source=source, cure=_CURE),
    )
