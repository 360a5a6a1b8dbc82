"""Random command lines: none ends with exit code 1 or a traceback, none that does no work takes long.

    PYTHONPATH=tests python tests/campaigns/command_lines.py --count 2000 --seed 0

Commands, options and values are drawn, valid and not: empty, huge, not finite, control characters, bytes that are not
UTF-8, files for folders and folders for files, pipes, options repeated or contradicting one another. Every line is run
in this process by the tool's own `main`, every fortieth in a process of its own. Networks are small and trainings one
step long, so that lines that happen to be valid end soon, too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from campaigns.drawn_lines import draw_line, make_place

from studentsearch.cli import demo
from studentsearch.cli.main import main

SECONDS_WITHOUT_WORK = 10.0  # of the processor, which other programs may share
_SECONDS_WAITING = 60.0
_SECONDS = 120
_OWN_PROCESS_EVERY = 40
_CODES = {0, 2, 3, 4, 5, 6, 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one line ended, after how many seconds of the processor and of the clock."""

    words: tuple[str, ...]
    exit_code: int
    seconds: float
    err: str
    waited: float = 0.0

    @property
    def problem(self) -> str | None:
        """What is wrong with it, if anything."""
        if self.exit_code not in _CODES:
            return f"exit code {self.exit_code}"
        if "Traceback" in self.err and "--debug" not in self.words:  # which asks for it
            return "a traceback"
        is_refused = self.exit_code in {2, 5, 7}
        lines = [line for line in self.err.splitlines() if line.startswith("studentsearch: ")]
        if self.exit_code and len(lines) != 1:
            return f"{len(lines)} lines of error"
        if not all(character.isprintable() for character in self.err.replace("\n", "")):
            return "control characters on the terminal"
        if is_refused and (self.seconds > SECONDS_WITHOUT_WORK or self.waited > _SECONDS_WAITING):
            return f"{self.seconds:.1f} s, {self.waited:.1f} s of the clock, without work"
        return None


def run_here(words: tuple[str, ...]) -> Outcome:
    """Run a line in this process; one that hangs is ended by an alarm and counts as exit code -1."""
    err, started, clock = io.StringIO(), time.process_time(), time.perf_counter()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()), _time_limit():
        try:
            exit_code = main(words)
        except BaseException as error:
            exit_code = -1
            err.write(f"{type(error).__name__}: {error}")
    return Outcome(
        words=words,
        exit_code=exit_code,
        seconds=time.process_time() - started,
        err=err.getvalue(),
        waited=time.perf_counter() - clock,
    )


def run_apart(words: tuple[str, ...]) -> Outcome:
    """Run a line in a process of its own."""
    started, clock = _children_seconds(), time.perf_counter()
    command = [sys.executable, "-m", "studentsearch", *(word.replace("\0", "") for word in words)]
    result = subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)
    err = result.stderr.decode(errors="replace")
    seconds, waited = _children_seconds() - started, time.perf_counter() - clock
    return Outcome(words=words, exit_code=result.returncode, seconds=seconds, err=err, waited=waited)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _short_demo() -> Iterator[None]:
    """Let the demo of this process end after a step, without having kept its promise."""
    before = demo._SEARCH_STEPS, demo._DISTILL_EPOCHS
    demo._SEARCH_STEPS, demo._DISTILL_EPOCHS = 1, 1
    try:
        yield
    finally:
        demo._SEARCH_STEPS, demo._DISTILL_EPOCHS = before


class _TooLong(BaseException):
    """Nothing may catch it by catching exceptions."""


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def end(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_lines(count: int, seed: int, *, with_processes: bool = True) -> list[Outcome]:
    """Draw and run lines in a folder of their own.

    Args:
        count: How many.
        seed: Of the first; the others follow.
        with_processes: Whether every fortieth has a process of its own.

    Returns:
        How each ended.
    """
    outcomes: list[Outcome] = []
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as place, _short_demo():
        make_place(Path(place))
        os.chdir(place)
        try:
            for number in range(seed, seed + count):
                words = draw_line(random.Random(number))
                is_apart = (
                    with_processes and number % _OWN_PROCESS_EVERY == 0 and "demo" not in words
                )  # it is shortened
                outcomes.append(run_apart(words) if is_apart else run_here(words))
                _tell(outcomes[-1])
        finally:
            os.chdir(before)
    return outcomes


def _tell(outcome: Outcome) -> None:
    """Say at once what is wrong with a line, so that a campaign that is stopped has said it."""
    if outcome.problem is not None:
        words = shlex.join(word[:80] for word in outcome.words)
        sys.stdout.write(f"{outcome.problem}: {words!r}\n    {outcome.err.strip()[-400:]!r}\n")
        sys.stdout.flush()


def run_campaign() -> int:
    """Run the campaign that the arguments ask for.

    Returns:
        0 where no line had a problem.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    os.environ["COLUMNS"] = "100"
    torch.set_num_threads(1)
    outcomes = run_lines(arguments.count, arguments.seed)
    found = [outcome for outcome in outcomes if outcome.problem is not None]
    codes = Counter(outcome.exit_code for outcome in outcomes)
    refused = max((outcome.seconds for outcome in outcomes if outcome.exit_code in {2, 5, 7}), default=0.0)
    sys.stdout.write(
        f"{len(outcomes)} lines, exit codes {dict(sorted(codes.items()))}, {len(found)} problems, slowest refusal "
        f"{refused:.1f} s\n"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(run_campaign())
