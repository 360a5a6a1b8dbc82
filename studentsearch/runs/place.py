"""Whether a run may be written to a folder, before anything is loaded or made; nothing here needs torch."""

import os
from pathlib import Path

from studentsearch.errors import DiskError, RunFolderError
from studentsearch.runs.manifest import MANIFEST_NAME, read_manifest


def require_place(path: Path, kind: str | None) -> None:
    """Refuse a folder that a run cannot be written to; nothing is made.

    Args:
        path: The folder; it may be missing.
        kind: The job, such as "search"; None for a folder that holds several runs.

    Raises:
        RunFolderError: The path or one above it is a file, or it holds a run of another kind.
        DiskError: It cannot be written to.
    """
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists() or place.is_symlink())
    if not nearest.is_dir():
        raise RunFolderError(f"{nearest} is a file; expected a folder for the run; choose another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DiskError(f"cannot write {path}: no permission in {nearest}; give it, or choose another --out")
    if kind is not None and (path / MANIFEST_NAME).is_file():
        found = read_manifest(path).kind
        if found != kind:
            raise RunFolderError(f"{path} holds a {found} run, this is a {kind} run; choose another --out")
