"""Whether a run may be written to a folder, before anything is loaded or made; nothing here needs torch."""

import os
from pathlib import Path

from studentsearch.disk import is_leftover
from studentsearch.errors import DiskError, RunFolderError
from studentsearch.records.names import HOLDER_NAME, LOCK_NAME, MANIFEST_NAME
from studentsearch.runs.manifest import read_manifest


def require_place(path: Path, kind: str | None) -> None:
    """Refuse a folder that a run cannot be written to; nothing is made.

    Args:
        path: The folder; it may be missing.
        kind: The job, such as "search"; None for a folder that holds several runs.

    Raises:
        RunFolderError: The path or one above it is a file, or it holds a run of another kind or somebody's files.
        DiskError: It cannot be written to.
    """
    nearest = _nearest(path)
    if not nearest.is_dir():
        raise RunFolderError(f"{nearest} is a file; expected a folder for the run; choose another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DiskError(f"cannot write {path}: no permission in {nearest}; give it, or choose another --out")
    if (path / MANIFEST_NAME).is_file():
        found = read_manifest(path).kind
        if kind is None:
            raise RunFolderError(f"{path} is a {found} run; expected a folder for several runs; choose another --out")
        if found != kind:
            raise RunFolderError(f"{path} holds a {found} run, this is a {kind} run; choose another --out")
    elif kind is not None and path.is_dir():
        require_unoccupied(path)


def require_file_place(path: Path) -> None:
    """Refuse a path that no file can be written to; nothing is made.

    Args:
        path: The file; it and its folder may be missing.

    Raises:
        DiskError: It is a folder, a folder above it is a file, or there is no permission.
    """
    if path.is_dir():
        raise DiskError(f"cannot write {path}: it is a folder; expected a file; choose another path")
    nearest = _nearest(path.absolute().parent)
    if not nearest.is_dir():
        raise DiskError(f"cannot write {path}: {nearest} is a file; expected a folder; choose another path")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DiskError(f"cannot write {path}: no permission in {nearest}; give it, or choose another path")


def _nearest(path: Path) -> Path:
    """What is there of a path: itself, or the first above it that is."""
    return next(place for place in (path, *path.absolute().parents) if place.exists() or place.is_symlink())


def require_unoccupied(path: Path) -> None:
    """Refuse a folder that holds something else than a run.

    Args:
        path: An existing folder.

    Raises:
        RunFolderError: It holds files and no manifest.
        DiskError: It cannot be read.
    """
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        reason = error.strerror or str(error)
        raise DiskError(f"cannot read {path}: {reason}; give permission, or choose another --out") from error
    own = {LOCK_NAME, HOLDER_NAME}  # what a crash while beginning can leave
    others = [name for name in names if name not in own and not is_leftover(name)]
    if MANIFEST_NAME not in names and others:
        raise RunFolderError(
            f"{path} holds {others[0]} and no {MANIFEST_NAME}; expected an empty folder or a run; choose another --out"
        )
