"""What a run is: kind, status, configuration, facts and results, in manifest.json."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from studentsearch.decoding import JsonValue, as_json, decode_json, read_json
from studentsearch.errors import InputFileError, RunFolderError
from studentsearch.records.names import MANIFEST_NAME
from studentsearch.runs.files import encodable, file_sha256, json_sha256, write_json
from studentsearch.runs.inside import path_inside

SCHEMA = 2
FIRST_SCHEMA = 1
"""Runs of before there were hashes: they can be read and reported, and are not continued."""
NUM_DIFFERENCES_NAMED = 3
_CURE = "put the file back from a copy, or run the same command with another --out"

Status = Literal["running", "complete"]
Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a run folder says of itself.

    Attributes:
        schema: The form of the file.
        kind: The job: "search", "distill", "teach", ...
        status: "running" until the job stored its results, then "complete".
        configuration: Every option that decides the outcome; a folder is continued only under the same one.
        facts: Command line, versions, device, seed, fingerprint of the data, hash of the teacher.
        results: What the job found; empty while it runs.
        has_checkpoint: Whether a checkpoint was ever written; a run that has none then does not begin anew unasked.
        files: SHA-256 of every file that a complete run consists of, by its path in the folder.
    """

    schema: int = SCHEMA
    kind: str
    status: Status
    configuration: Mapping[str, JsonValue]
    facts: Mapping[str, JsonValue]
    results: Mapping[str, JsonValue]
    has_checkpoint: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What is read before the rest of the file: its form, and the hash over it, which the first schema had not."""

    schema: int
    sha256: str | None = None


def read_manifest(path: Path) -> Manifest:
    """What the run folder at `path` says of itself.

    Args:
        path: A run folder.

    Returns:
        The manifest.

    Raises:
        RunFolderError: No manifest there; give a folder that a run wrote.
        InputFileError: It is damaged, changed, or of another schema; put it back from a copy.
    """
    file = path / MANIFEST_NAME
    if not file.exists():
        raise RunFolderError(f"{path} is not a run folder: found no {MANIFEST_NAME}; give a folder that a run wrote")
    form = read_json(file, _Form, cure=_CURE)
    if form.schema not in {FIRST_SCHEMA, SCHEMA}:
        raise InputFileError(
            f"{file} has schema {form.schema}; expected {FIRST_SCHEMA} or {SCHEMA}; use the version that wrote it"
        )
    manifest = read_json(file, Manifest, cure=_CURE)
    is_older = form.schema == FIRST_SCHEMA and form.sha256 is None
    if not is_older and form.sha256 != json_sha256(as_json(manifest)):
        raise InputFileError(f"{file} was changed after it was written: its SHA-256 is another one; {_CURE}")
    return manifest


def decode_part(path: Path, part: str, value: Mapping[str, JsonValue], form: type[Facts]) -> Facts:
    """A part of a manifest as typed facts, a class of `records/`.

    Args:
        path: The run folder.
        part: Which part, such as "results".
        value: What the manifest holds there.
        form: What it must hold.

    Returns:
        The facts.

    Raises:
        InputFileError: It holds something else; put the file back from a copy.
    """
    return decode_json(json.dumps(value), form, source=f"{path / MANIFEST_NAME}: {part}", cure=_CURE)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace the manifest of the run folder at `path`.

    Args:
        path: A run folder.
        manifest: What to write.
    """
    content = as_json(manifest)
    write_json(path / MANIFEST_NAME, {**content, "sha256": json_sha256(content)})


def changed_files(path: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """The files of a run that are not as they were written.

    Args:
        path: The run folder.
        files: SHA-256 by path in the folder.

    Returns:
        Their paths in the folder, each with what is wrong with it: `student/config.json is gone`.

    Raises:
        RunFolderError: A path leads out of the folder; copy the run folder again.
    """
    changed = []
    for name, sha256 in files.items():
        file = path_inside(path, name, source=str(path / MANIFEST_NAME))
        if not file.is_file():
            changed.append(f"{name} is gone")
        elif file_sha256(file) != sha256:
            changed.append(f"{name} is damaged")
    return tuple(changed)


def is_finished(path: Path) -> bool:
    """Whether a folder holds a complete run with all of its files.

    Args:
        path: Any folder.

    Returns:
        False where there is no run, it still runs, or a file of it is gone or damaged.
    """
    if not (path / MANIFEST_NAME).exists():
        return False
    manifest = read_manifest(path)
    return manifest.status == "complete" and not changed_files(path, manifest.files)


def require_same_run(path: Path, found: Manifest, *, kind: str, configuration: Mapping[str, JsonValue]) -> None:
    """Refuse to continue a folder that another job or other options wrote.

    Args:
        path: The run folder, for the message.
        found: Its manifest.
        kind: The job that wants to continue it.
        configuration: The options that it wants to continue it with.

    Raises:
        RunFolderError: Kind or configuration differ, or an older version wrote it; choose another folder or the same
            options.
    """
    if found.kind != kind:
        raise RunFolderError(f"{path} holds a {found.kind} run, this is a {kind} run; choose another --out")
    if found.schema != SCHEMA:
        raise RunFolderError(f"{path} was written by an older version, schema {found.schema}; choose another --out")
    before, now = dict(_leaves(found.configuration)), dict(_leaves(encodable(configuration)))
    differing = [key for key in before | now if before.get(key, "unset") != now.get(key, "unset")]
    if not differing:
        return
    named = [f"{key} {before.get(key, 'unset')} there and {now.get(key, 'unset')} here" for key in differing]
    more = len(named) - NUM_DIFFERENCES_NAMED
    text = ", ".join(named[:NUM_DIFFERENCES_NAMED]) + (f" and {more} more" if more > 0 else "")
    raise RunFolderError(f"{path} was begun with other options: {text}; choose another --out or the same options")


def _leaves(value: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Dotted key and value of every entry that is not itself an object."""
    for key, entry in value.items():
        if isinstance(entry, Mapping):
            yield from _leaves(entry, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", entry
