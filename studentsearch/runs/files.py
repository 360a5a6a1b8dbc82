"""Text, JSON and hashes of the files of a run."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from studentsearch.decoding import JsonValue
from studentsearch.disk import write_bytes


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


def encodable(value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A JSON object as UTF-8 can hold it: of names of files that are no UTF-8, question marks stay.

    Args:
        value: What JSON can hold.

    Returns:
        The object as it is read again.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    found: dict[str, JsonValue] = json.loads(text.encode("utf-8", "replace"))
    return found


def json_sha256(value: JsonValue) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys and the blanks in a file of it.

    Args:
        value: What JSON can hold.

    Returns:
        64 hexadecimal digits.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Args:
        path: An existing file.

    Returns:
        64 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
