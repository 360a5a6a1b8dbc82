"""`python -m studentsearch`, and the command `studentsearch`: signals are heard before anything else is imported."""

import os
import sys

from studentsearch.interruption import Interruption, listen_for_program

_INTERRUPTED = 130


def start() -> int:
    """Run the command line of this process.

    Returns:
        The exit code; 128 + signal where one ended it.
    """
    listener = listen_for_program()
    try:
        _open_closed_streams()
        from studentsearch.cli.main import main

        exit_code = main()
    except Interruption:
        exit_code = _INTERRUPTED
    listener.stop_raising()
    if listener.received is not None and exit_code == _INTERRUPTED:
        exit_code = 128 + listener.received
    return exit_code


def _open_closed_streams() -> None:
    """Give a program that was started with a closed stdout or stderr (`>&-`) one that leads nowhere."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


if __name__ == "__main__":
    sys.exit(start())
