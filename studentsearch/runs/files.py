"""Files that are replaced whole: written beside, flushed to the disk, renamed."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from studentsearch.errors import DiskError

JsonValue: TypeAlias = bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None


def disk_error(path: Path, error: OSError) -> DiskError:
    """The one line that says which file could not be written and why.

    Args:
        path: The file or folder that was to be written.
        error: What the operating system said.

    Returns:
        An error to raise.
    """
    reason = error.strerror or str(error)
    return DiskError(f"cannot write {path}: {reason}; free space or permission there, or choose another folder")


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file whole: after a crash at any moment it holds its old content or the new one.

    Args:
        path: The file; its folder is made where it is missing.
        content: All of the new content.

    Raises:
        DiskError: The folder or the file cannot be written; free space or choose another folder.
    """
    beside = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error


def _flush_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Replace a UTF-8 text file whole, see `write_bytes`.

    Args:
        path: The file; its folder is made where it is missing.
        text: All of the new text.
    """
    write_bytes(path, text.encode())


def write_json(path: Path, value: JsonValue) -> None:
    """Replace a JSON file whole: two spaces of indent, keys in the order given.

    Args:
        path: The file; its folder is made where it is missing.
        value: What JSON can hold; NaN and infinity are no JSON and are refused by `json`.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Args:
        path: An existing file.

    Returns:
        64 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
