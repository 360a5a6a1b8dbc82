"""Where in the user's code a call or an error stands, as `net.py:17`, and what the error was."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import torch

from studentsearch.errors import UnsupportedGraphError

_NOT_THE_USERS = (str(Path(torch.__file__).parent) + os.sep, str(Path(__file__).parents[1]) + os.sep, "<")


class SourceLocation:
    """What runs at the moment: the module whose forward it is, and the user's line."""

    def __init__(self, name: str, outermost: CodeType) -> None:
        """Begin outside all modules.

        Args:
            name: The network's class, which stands for the network itself.
            outermost: The function that calls the network's forward.
        """
        self._name = name
        self._outermost = outermost
        self._paths = [""]

    @property
    def path(self) -> str:
        """The module whose forward runs."""
        return self._paths[-1]

    @property
    def line(self) -> str:
        """The user's line that runs; empty where only torch's code and ours does."""
        return calling_line(self._outermost)

    @contextmanager
    def inside(self, path: str) -> Iterator[None]:
        """While it lasts, the forward of the module at `path` runs; after an error that path stays for the message.

        Args:
            path: A module path.

        Yields:
            Nothing.
        """
        depth = len(self._paths)
        self._paths.append(path)
        yield
        # Not in a `finally`: on the way out of an error the innermost path is where it happened.
        del self._paths[depth:]

    def __str__(self) -> str:
        """What the messages start with."""
        return ", ".join(part for part in (self.path, self.line) if part) or self._name

    def unsupported(self, found: str, cure: str) -> UnsupportedGraphError:
        """The error for what cannot be followed here."""
        return UnsupportedGraphError(f"{self}: {found}; {cure}")


def calling_line(outermost: CodeType) -> str:
    """The user's line that runs.

    Args:
        outermost: The function that called the user's code; no frame outside it is looked at.

    Returns:
        The innermost line that is neither torch's nor ours; empty if there is none.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not outermost:
        if _is_users(frame):
            return _line(frame, frame.f_lineno)
        frame = frame.f_back
    return ""


def error_in_words(error: Exception, *, name: str, path: str, input_shapes: tuple[tuple[int, ...], ...]) -> str:
    """One line for what a forward pass on the meta device raised.

    Args:
        error: What it raised.
        name: The network's class.
        path: The module that ran.
        input_shapes: `[C, H, W]` of one image, one shape an input.

    Returns:
        Where, what, and what to do.
    """
    location = ", ".join(part for part in (path, _error_line(error)) if part) or name
    text = str(error).strip().splitlines()
    what = text[0] if text else type(error).__name__
    size = isinstance(error, (RuntimeError, AssertionError, ValueError, IndexError))
    if size and not isinstance(error, (NotImplementedError, RecursionError)):
        shapes = " and ".join(str(shape) for shape in input_shapes)
        return (
            f"{name}: cannot take an image of shape {shapes} ({location}: {what}); "
            "give images of the shape that it was made for"
        )
    return (
        f"{location}: cannot be followed ({type(error).__name__}: {what}); write that line with functions of torch, or "
        "move it out of forward"
    )


def _error_line(error: Exception) -> str:
    """The innermost line of the user's through which `error` came; empty if there is none."""
    line, entry = "", error.__traceback__
    while entry is not None:
        if _is_users(entry.tb_frame):
            line = _line(entry.tb_frame, entry.tb_lineno)
        entry = entry.tb_next
    return line


def _is_users(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith(_NOT_THE_USERS)


def _line(frame: FrameType, number: int) -> str:
    return f"{Path(frame.f_code.co_filename).name}:{number}"
