"""What a run is: kind, status, configuration, facts and results, in manifest.json."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from studentsearch.errors import RunFolderError
from studentsearch.runs.files import JsonValue, write_json

MANIFEST_NAME = "manifest.json"
SCHEMA = 1
NUM_DIFFERENCES_NAMED = 3

Status = Literal["running", "complete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a run folder says of itself.

    Attributes:
        kind: The job: "search", "distill", "teach", ...
        status: "running" until the job stored its results, then "complete".
        configuration: Every option that decides the outcome; a folder is continued only under the same one.
        facts: Command line, versions, device, seed, fingerprint of the data, hash of the teacher.
        results: What the job found; empty while it runs.
    """

    kind: str
    status: Status
    configuration: Mapping[str, JsonValue]
    facts: Mapping[str, JsonValue]
    results: Mapping[str, JsonValue]


def read_manifest(path: Path) -> Manifest:
    """What the run folder at `path` says of itself.

    Args:
        path: A run folder.

    Returns:
        The manifest.

    Raises:
        RunFolderError: No manifest there, or one of another form; give a folder that a run wrote.
    """
    file = path / MANIFEST_NAME
    if not file.is_file():
        raise RunFolderError(f"{path} is not a run folder: found no {MANIFEST_NAME}; give a folder that a run wrote")
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{file} cannot be read: {error}; expected JSON; give another folder") from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        found = value.get("schema") if isinstance(value, dict) else type(value).__name__
        raise RunFolderError(f"{file} has schema {found}; expected {SCHEMA}; use the version that wrote it")
    return _checked(value, file)


def _checked(value: dict[str, JsonValue], file: Path) -> Manifest:
    kind, status = value.get("kind"), value.get("status")
    if not isinstance(kind, str) or status not in get_args(Status):
        raise RunFolderError(
            f"{file} has kind {kind!r} and status {status!r}; expected text and one of {', '.join(get_args(Status))}; "
            "give another folder"
        )
    return Manifest(
        kind=kind,
        status="complete" if status == "complete" else "running",
        configuration=_mapping(value, "configuration", file),
        facts=_mapping(value, "facts", file),
        results=_mapping(value, "results", file),
    )


def _mapping(value: dict[str, JsonValue], key: str, file: Path) -> Mapping[str, JsonValue]:
    entry = value.get(key)
    if not isinstance(entry, Mapping):
        raise RunFolderError(f"{file} has no object {key!r}; expected one; give another folder")
    return entry


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace the manifest of the run folder at `path`.

    Args:
        path: A run folder.
        manifest: What to write.
    """
    content: dict[str, JsonValue] = {
        "schema": SCHEMA,
        "kind": manifest.kind,
        "status": manifest.status,
        "configuration": manifest.configuration,
        "facts": manifest.facts,
        "results": manifest.results,
    }
    write_json(path / MANIFEST_NAME, content)


def require_same_run(path: Path, found: Manifest, *, kind: str, configuration: Mapping[str, JsonValue]) -> None:
    """Refuse to continue a folder that another job or other options wrote.

    Args:
        path: The run folder, for the message.
        found: Its manifest.
        kind: The job that wants to continue it.
        configuration: The options that it wants to continue it with.

    Raises:
        RunFolderError: Kind or configuration differ; choose another folder or the same options.
    """
    if found.kind != kind:
        raise RunFolderError(f"{path} holds a {found.kind} run, this is a {kind} run; choose another --out")
    before, now = dict(_leaves(found.configuration)), dict(_leaves(json.loads(json.dumps(configuration))))
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
