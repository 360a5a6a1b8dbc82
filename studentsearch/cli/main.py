"""The command line: commands by name, and mistakes as one line with an exit code."""

import errno
import itertools
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from studentsearch import __version__
from studentsearch.cli.count import count
from studentsearch.cli.demo import demo
from studentsearch.cli.distill import distill
from studentsearch.cli.evaluate import evaluate
from studentsearch.cli.export import export
from studentsearch.cli.report import report
from studentsearch.cli.search import search
from studentsearch.cli.study import study
from studentsearch.cli.teach import teach
from studentsearch.errors import DiskError, InputFileError, StudentSearchError, UsageError
from studentsearch.printable import printable

_DEBUG = "--debug"
_INTERRUPTED = 130
_MAX_LINE = 2000
_READER_GONE = 141  # 128 + SIGPIPE, as of a process that the signal ended
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
# Of paths that cannot be what was asked for, wherever they are looked at first.
_PLACE_ERRORS = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR}
# The base of typer's usage errors, which typer itself does not export; BadParameter adds no method to it.
_TyperUsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="studentsearch",
    help="Search a small student inside a trained convolutional teacher, cut it out, and distil the teacher into it.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, search, distill, study, evaluate, report, count, export, teach):
    app.command()(command)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"studentsearch {__version__}")
        raise typer.Exit


@app.callback()
def _before(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Search a small student inside a trained convolutional teacher, cut it out, and distil the teacher into it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after the program's name; None takes those of this process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    unreadable = next((word for word in words if not _is_text(word)), None)
    if unreadable is not None:  # it would be kept in manifests and shown
        return _say(f"error: the argument {unreadable!r} is not UTF-8; rename what it names", UsageError.exit_code)
    is_debug = _DEBUG in itertools.takewhile(lambda word: word.startswith("-"), words)
    try:
        exit_code: int = app(words, prog_name="studentsearch", standalone_mode=False) or 0
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # typer exits where the reader of stdout is gone
        _silence_stdout()
        return _READER_GONE
    except Exception as error:
        if is_debug:
            traceback.print_exc()
        return _complain(error)
    return _say("interrupted", exit_code) if exit_code == _INTERRUPTED else exit_code


def _is_text(word: str) -> bool:
    """Whether an argument is text; bytes that are not UTF-8 arrive as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _silence_stdout() -> None:
    """Keep the interpreter from flushing into a closed pipe when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _complain(error: Exception) -> int:
    """One line on stderr, and the exit code that goes with it."""
    if isinstance(error, StudentSearchError):
        return _say(f"error: {error}", error.exit_code)
    if isinstance(error, _TyperUsageError):
        return _say(f"error: {error.format_message()}; see --help", error.exit_code)
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        place = f"{error.filename}: " if error.filename else ""
        return _say(f"error: {place}{error.strerror}; free space or permission there", DiskError.exit_code)
    if isinstance(error, OSError) and error.errno in _PLACE_ERRORS:
        return _say(f"error: {error.filename}: {error.strerror}; give another path", InputFileError.exit_code)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _say(f"internal error: {words}; run again with {_DEBUG} before the command and report it", 1)


def _say(line: str, exit_code: int) -> int:
    words = printable(" ".join(line.split()), limit=_MAX_LINE)
    sys.stderr.write(f"studentsearch: {words}\n")
    return exit_code
