"""Paths that a file names, kept inside the folder that the file describes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from studentsearch.disk import real_path
from studentsearch.errors import RunFolderError


def path_inside(folder: Path, name: str, *, source: str) -> Path:
    """The path that a file of a folder names, if it lies in that folder.

    Args:
        folder: The folder.
        name: A relative path in it, as the file has it.
        source: The file, for the message.

    Returns:
        The path.

    Raises:
        RunFolderError: An absolute path, or one that leads out of the folder.
    """
    words = (PurePosixPath(name), PureWindowsPath(name))
    is_relative = name and "\0" not in name and not any(path.anchor or ".." in path.parts for path in words)
    if not is_relative or not real_path(folder / name).is_relative_to(real_path(folder)):
        raise RunFolderError(
            f"{source} names {name!a:.100}; expected a path inside {folder}; copy the run folder again"
        )
    return folder / name
