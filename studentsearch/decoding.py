"""Files that others may have written, read with a bound on size; JSON decoded into typed facts, and facts as JSON."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Protocol, TypeAlias, TypeVar

import msgspec

from studentsearch.errors import InputFileError, StudentSearchError, UsageError

MAX_JSON_BYTES = 64 * 1024 * 1024
"""Bound on a JSON file. The largest config.json seen, of a network with 1,900 layers, has 3 MB."""

LEFT_OUT: Mapping[str, bool] = MappingProxyType({"is_left_out": True})
"""Metadata of a field that `as_json` leaves out where it is None."""
Facts = TypeVar("Facts")

if TYPE_CHECKING:
    JsonValue: TypeAlias = bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
else:
    JsonValue = object  # the decoder has no recursive types; what it decodes as an object are JSON values


class Record(Protocol):
    """A dataclass whose fields are JSON values, records, or sequences and mappings of these."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def read_regular_file(path: Path, *, max_bytes: int, cure: str) -> bytes:
    """The content of a regular file of bounded size; links are followed, pipes and devices are never read.

    Args:
        path: The file.
        max_bytes: The largest content that is read.
        cure: What the user can do about a file that cannot be read, for the message.

    Returns:
        All of its bytes.

    Raises:
        InputFileError: Missing, not a regular file, unreadable, or larger than the bound.
    """
    with open_regular_file(path, max_bytes=max_bytes, cure=cure) as file:
        return _read(file, path, num_bytes=max_bytes, cure=cure)


def read_part(path: Path, *, offset: int, num_bytes: int, cure: str) -> bytes:
    """Some bytes of a regular file of any size, see `read_regular_file`.

    Args:
        path: The file.
        offset: Where they begin.
        num_bytes: How many are read at most.
        cure: What the user can do about a file that cannot be read, for the message.

    Returns:
        The bytes; fewer where the file ends before.

    Raises:
        InputFileError: Missing, not a regular file, or unreadable.
    """
    with open_regular_file(path, cure=cure) as file:
        return _read(file, path, offset=offset, num_bytes=num_bytes, cure=cure)


def _read(file: BinaryIO, path: Path, *, offset: int = 0, num_bytes: int, cure: str) -> bytes:
    try:
        file.seek(offset)
        return file.read(min(num_bytes, os.fstat(file.fileno()).st_size))  # Python sets aside at once what is asked for
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror or error}; {cure}") from error


def open_regular_file(path: Path, *, max_bytes: int | None = None, cure: str) -> BinaryIO:
    """A regular file, open for reading; links are followed, pipes and devices are never opened.

    Args:
        path: The file.
        max_bytes: The largest file that is opened; None opens any.
        cure: What the user can do about a file that cannot be read, for the message.

    Returns:
        The file at its beginning, to be closed.

    Raises:
        InputFileError: Missing, not a regular file, unreadable, or larger than the bound.
    """
    try:
        # Opening a pipe waits for its writer unless O_NONBLOCK is set; Windows has neither the flag nor such files.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputFileError(f"cannot read {path}: {reason}; {cure}") from error
    facts = os.fstat(descriptor)
    is_regular = stat.S_ISREG(facts.st_mode)
    if is_regular and (max_bytes is None or facts.st_size <= max_bytes):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if is_regular:
        raise InputFileError(f"{path} has {facts.st_size:,} bytes; expected at most {max_bytes:,}; {cure}")
    raise InputFileError(f"{path} is not a regular file; expected one; {cure}")


def decode_json(
    content: bytes | str,
    form: type[Facts],
    *,
    source: str,
    cure: str,
    error_class: type[StudentSearchError] = InputFileError,
) -> Facts:
    """JSON as typed facts: every field present, of its type and within its bounds.

    Args:
        content: UTF-8 JSON.
        form: A frozen dataclass, or a combination of such, whose annotations say what is expected; bounds are written
            as `Annotated[int, msgspec.Meta(ge=0)]`. Fields that it does not name are ignored.
        source: Where the content was read, for the message.
        cure: What the user can do about content of another form, for the message.
        error_class: What is raised.

    Returns:
        The facts.

    Raises:
        StudentSearchError: Of `error_class`: not JSON, nested too deeply, or of another form.
    """
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise error_class(f"{source}: {_one_line(error)}; {cure}") from error
    except UsageError as error:  # what a record refuses of its own fields
        raise error_class(f"{source}: {error}; {cure}") from error


def read_json(
    path: Path,
    form: type[Facts],
    *,
    cure: str,
    max_bytes: int = MAX_JSON_BYTES,
    error_class: type[StudentSearchError] = InputFileError,
) -> Facts:
    """The typed facts of a JSON file, see `read_regular_file` and `decode_json`.

    Args:
        path: The file.
        form: What it must hold.
        cure: What the user can do about a file of another form, for the message.
        max_bytes: The largest file that is read.
        error_class: What is raised for content of another form.

    Returns:
        The facts.
    """
    content = read_regular_file(path, max_bytes=max_bytes, cure=cure)
    return decode_json(content, form, source=str(path), cure=cure, error_class=error_class)


def as_json(record: Record) -> dict[str, JsonValue]:
    """A record as a JSON object; `decode_json` with its class gives it back.

    Args:
        record: The facts.

    Returns:
        The fields by name, in order; those marked `LEFT_OUT` only where they are not None.
    """
    values = {field.name: (getattr(record, field.name), field.metadata == LEFT_OUT) for field in fields(record)}
    return {name: _json_value(value) for name, (value, may_miss) in values.items() if not (may_miss and value is None)}


def _json_value(value: object) -> JsonValue:
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(value)
    if isinstance(value, Mapping):
        return {str(key): _json_value(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_json_value(entry) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} in a record is no JSON value")


def _one_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join(str(error).split())
