"""A run folder belongs to one process at a time: it is held before anything else is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from studentsearch.decoding import read_regular_file
from studentsearch.disk import HeldElsewhereError, disk_error, hold, real_path, remove_leftovers, write_bytes
from studentsearch.errors import InputFileError, RunFolderError, RunInUseError
from studentsearch.records.names import HOLDER_NAME, LOCK_NAME, MANIFEST_NAME
from studentsearch.runs.place import require_unoccupied

_MAX_HOLDER_BYTES = 20
_WAIT_SECONDS = 0.3  # a process that just took the lock has written its number by then

_claimed: set[Path] = set()


@contextmanager
def hold_run_folder(path: Path) -> Iterator[None]:
    """Make a folder for a run, or take the run that is there, and hold it until the context ends.

    A folder that was made for a run which then wrote nothing, as after a mistake in the options, is removed again.

    Args:
        path: The folder; it may be missing, empty, or a run.

    Yields:
        Once, when this process alone may write there.

    Raises:
        RunFolderError: The path is no folder, or holds other files.
        RunInUseError: Another process holds it.
        DiskError: It cannot be made or written.
    """
    place = real_path(path)
    if place in _claimed:
        _claimed.remove(place)
        yield
        return
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    _make(path)
    require_unoccupied(path)
    try:
        with _held(path):
            yield
    finally:
        _remove_empty(made)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    try:
        with hold(path / LOCK_NAME, wait_seconds=_WAIT_SECONDS):
            write_bytes(path / HOLDER_NAME, str(os.getpid()).encode())
            _remove_leftovers(path)
            try:
                yield
            finally:
                (path / HOLDER_NAME).unlink(missing_ok=True)
    except HeldElsewhereError as error:
        raise _in_use(path) from error


@contextmanager
def claim_run_folder(path: Path) -> Iterator[None]:
    """Hold a folder already while a program starts; the next `hold_run_folder` of this process takes the hold over.

    Args:
        path: As for `hold_run_folder`.

    Yields:
        Once, when this process alone may write there.
    """
    with hold_run_folder(path):
        place = real_path(path)
        _claimed.add(place)
        try:
            yield
        finally:
            _claimed.discard(place)


def _in_use(path: Path) -> RunInUseError:
    try:
        holder = read_regular_file(path / HOLDER_NAME, max_bytes=_MAX_HOLDER_BYTES, cure="").decode(errors="replace")
    except InputFileError:  # its number is gone, or was never written: the message does without
        holder = ""
    who = f"process {holder}" if holder.isdigit() else "another process"
    return RunInUseError(f"{path} is in use by {who}; wait until it ends or choose another --out")


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RunFolderError(f"{path} is a file; expected a folder for the run; choose another --out") from error
    except OSError as error:
        raise disk_error(path, error) from error


def _remove_leftovers(path: Path) -> None:
    """Remove what killed writings left in a run's folders; those of runs inside it belong to who holds these."""
    try:
        remove_leftovers(path)
        for entry in path.iterdir():
            if entry.is_dir() and not entry.is_symlink() and not (entry / MANIFEST_NAME).exists():
                _remove_leftovers(entry)
    except OSError as error:
        raise disk_error(path, error) from error


def _remove_empty(made: Sequence[Path]) -> None:
    """Remove folders that were made for a run, innermost first, where they hold nothing but its lock."""
    try:
        for folder in made:
            if {entry.name for entry in folder.iterdir()} - {LOCK_NAME}:
                return
            (folder / LOCK_NAME).unlink(missing_ok=True)
            folder.rmdir()
    except OSError:  # another process took it meanwhile, or it is gone: then it is not ours to remove
        return
