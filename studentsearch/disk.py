"""What is written so that a crash, a full disk or a link can spoil nothing, and files that one process holds alone."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import filelock

from studentsearch.errors import DiskError

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")
_POLL_SECONDS = 0.05


class HeldElsewhereError(Exception):
    """Another process holds the lock file."""


def disk_error(path: Path, error: OSError) -> DiskError:
    """The one line that says which file could not be written and why.

    Args:
        path: The file or folder that was to be written.
        error: What the operating system said.

    Returns:
        An error to raise.
    """
    reason = "it is a link, and links are not followed" if path.is_symlink() else error.strerror or str(error)
    return DiskError(f"cannot write {path}: {reason}; free space or permission there, or choose another folder")


def with_home(path: Path) -> Path:
    """A path with its first part `~` or `~name` made a home; as it is where there is none (`Path.expanduser` fails).

    Args:
        path: Any path.

    Returns:
        The path.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111


def real_path(path: Path) -> Path:
    """An absolute path without links; one whose links lead in a circle stays as it is, where `Path.resolve` fails.

    Args:
        path: Any path.

    Returns:
        The path.
    """
    return Path(os.path.realpath(path))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file whole: after a crash at any moment it holds its old content or the new one.

    Args:
        path: The file; its folder is made where it is missing.
        content: All of the new content.

    Raises:
        DiskError: The folder or the file cannot be written; free space or choose another folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = write_beside(path, content)
        move(beside, path)
    except OSError as error:
        raise disk_error(path, error) from error


def write_beside(path: Path, content: bytes) -> Path:
    """Write a new file beside another one and see it on the disk, for `move`.

    Args:
        path: The file whose content it is to become.
        content: All of the new content.

    Returns:
        The new file; what a crash leaves of it is removed by `remove_leftovers`.
    """
    # A new name, and made by this very call: a link laid there beforehand is never written through.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open_own(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def move(source: Path, target: Path) -> None:
    """Give a file another name in its folder, replacing what is there, and see that on the disk."""
    try:
        source.replace(target)
    except OSError:
        source.unlink(missing_ok=True)
        raise
    flush_folder(target.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what writings that were killed left in a folder; call it only where no other process writes."""
    for file in folder.iterdir():
        if _LEFTOVER.fullmatch(file.name):
            file.unlink(missing_ok=True)


def is_leftover(name: str) -> bool:
    """Whether a file's name is that of a writing that was not finished."""
    return _LEFTOVER.fullmatch(name) is not None


def open_own(path: Path, flags: int, mode: str) -> IO[bytes]:
    """Open a file of ours for writing; a link in its place is refused, a pipe is not waited for.

    Args:
        path: The file.
        flags: How to open it, as for `os.open`.
        mode: The same as for `open`, binary.

    Returns:
        The open file.
    """
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags | safe, 0o666), mode)


def flush_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power failure, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def hold(path: Path, *, wait_seconds: float) -> Iterator[None]:
    """Hold a lock file; the operating system lets go when the process ends, however it ends.

    Args:
        path: The lock file; made where it is missing, never followed where it is a link.
        wait_seconds: How long to wait for another process; negative for as long as it takes.

    Yields:
        Once, when this process holds it.

    Raises:
        HeldElsewhereError: Another process still holds it.
        DiskError: It cannot be opened for writing; free space or permission there.
    """
    lock = filelock.FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=wait_seconds, poll_interval=_POLL_SECONDS)
    except filelock.Timeout as error:
        raise HeldElsewhereError(f"{path} is held by another process") from error
    except OSError as error:
        raise disk_error(path, error) from error
    try:
        yield
    finally:
        lock.release()
