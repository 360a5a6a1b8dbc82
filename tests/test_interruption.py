"""Signals to the whole program, in processes of their own that are forked from this one."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from studentsearch import __main__ as program
from studentsearch.cli import main as command_line
from studentsearch.interruption import deferred

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
SECONDS = 5.0


def begin(work: Callable[[], int], folder: Path, *, ignored: tuple[int, ...] = ()) -> int:
    """Start the program in a forked process with other work than the command line's; wait until it works."""
    process = os.fork()
    if not process:
        try:
            log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
            os.dup2(log, 2)
            sys.stderr = os.fdopen(2, "w", buffering=1)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)

            def worked() -> int:
                (folder / "ready").touch()
                return work()

            command_line.main = worked
            exit_code = program.start()
        except BaseException:
            traceback.print_exc()
            exit_code = 1
        finally:  # whatever happens, the copy of this process must not go on with the tests
            os._exit(exit_code)
    while not (folder / "ready").exists():
        time.sleep(0.005)
    return process


def ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def rest() -> int:
    time.sleep(SECONDS)
    return 0


def brief() -> int:
    time.sleep(0.1)
    return 0


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_program_wherever_it_is(number: int, tmp_path: Path) -> None:
    process = begin(rest, tmp_path)
    os.kill(process, number)
    assert ended(process) == 128 + number
    assert (tmp_path / "log").read_text() == ""


def test_two_signals_are_one(tmp_path: Path) -> None:
    def work() -> int:
        try:
            rest()
        finally:
            time.sleep(0.1)  # the second signal arrives while the first one ends the program
        return 0

    process = begin(work, tmp_path)
    for _ in range(3):
        os.kill(process, signal.SIGTERM)
        time.sleep(0.001)
    assert ended(process) == 128 + signal.SIGTERM
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(number: int, tmp_path: Path) -> None:
    process = begin(brief, tmp_path, ignored=(number,))
    os.kill(process, number)
    assert ended(process) == 0


def test_a_signal_within_steps_is_theirs(tmp_path: Path) -> None:
    def work() -> int:
        with deferred() as listener:
            time.sleep(0.1)
        return 7 if listener.received == signal.SIGTERM else 0

    process = begin(work, tmp_path)
    os.kill(process, signal.SIGTERM)
    assert ended(process) == 7


def test_a_child_of_the_program_ends_as_any_other(tmp_path: Path) -> None:
    def work() -> int:
        child = os.fork()
        if not child:
            time.sleep(SECONDS)
            os._exit(0)
        time.sleep(0.05)
        os.kill(child, signal.SIGTERM)
        return 7 if ended(child) == -signal.SIGTERM else 0

    assert ended(begin(work, tmp_path)) == 7


def test_closed_streams_lead_nowhere(tmp_path: Path) -> None:
    def work() -> int:
        sys.stdout.write("unheard")
        return 7

    before = sys.stdout
    sys.stdout = None  # type: ignore[assignment]  # as Python leaves it after `>&-`
    try:
        assert ended(begin(work, tmp_path)) == 7
    finally:
        sys.stdout = before
