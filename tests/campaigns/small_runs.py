"""Small runs of every kind for the campaigns: what they are, how they are stopped, and what their result is."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import torch

import studentsearch.api  # noqa: F401 - everything is imported once, and the forked processes have it
import studentsearch.jobs.presets  # noqa: F401
import studentsearch.report.live  # noqa: F401
from studentsearch import __main__ as program
from studentsearch.cli.main import main
from studentsearch.engine.loop import run_steps
from studentsearch.jobs import search, training
from studentsearch.runs.folder import RunFolder

KINDS = ("teach", "distill", "search")
CLOCK = ("seconds", "images_per_second")
_WORDS = {
    "teach": "teach resnet8 --data digits --steps {steps} --batch 16 --rate 0.05",
    "distill": "distill {teacher} --init inherit --steps {steps} --batch 16 --rate 0.01",
    "search": "search --teacher densenet_digits --flops 95%,90% --steps 30 --batch 16",
    # Both go back to half the rate once: the first within `diverging`, the second since its penalty rushes.
    "teach back": "teach resnet8 --data digits --steps 40 --batch 128 --rate 0.05",
    "search back": "search --teacher densenet_digits --flops 60% --steps 40 --penalty 10",
}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COMPUTE = "--device cpu --precision float32 --threads 1 --json"
_RESULTS = ("*.safetensors", "student*/**/*.safetensors", "student*/**/config.json", "metrics.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command gave."""

    exit_code: int
    output: str
    errors: str

    @property
    def is_clean(self) -> bool:
        """Whether it ended as a command may: no bug of ours, no traceback."""
        return self.exit_code != 1 and "Traceback" not in self.errors


class SmallRuns:
    """Commands that run in less than a few seconds, below one folder."""

    def __init__(self, root: Path, *, steps: int = 12) -> None:
        """Name the folder.

        Args:
            root: Holds everything; made if it is missing.
            steps: Of teach and distill.
        """
        torch.set_num_threads(1)
        self.root, self._steps = root, steps
        root.mkdir(parents=True, exist_ok=True)
        self._searched = root / "searched"

    def words(self, kind: str, out: Path) -> list[str]:
        """The command of a run; a distillation first needs a search, which is made once."""
        if kind == "distill" and not (self._searched / "students").exists():
            assert answer(self.words("search", self._searched)).exit_code == 0
        text = _WORDS[kind].format(steps=self._steps, teacher=self._searched)
        return [*text.split(), *_COMPUTE.split(), "--out", str(out)]

    def fresh(self, name: str, source: Path | None = None) -> Path:
        """A folder of that name, removed, or as a copy of another one."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        if source is not None:
            shutil.copytree(source, folder)
        return folder

    def whole(self, kind: str) -> Path:
        """A run that was never interrupted."""
        out = self.root / f"whole-{kind}"
        if not out.exists():
            assert answer(self.words(kind, out)).exit_code == 0
        return out

    def stopped(self, kind: str, *, at: int) -> Path:
        """A run that wrote a checkpoint every step and was stopped after one."""
        out = self.root / f"stopped-{kind}"
        if not out.exists():
            words = self.words(kind, out)
            with steps_patched(save_every_seconds=0.0, stop_at=at):
                assert answer(words).exit_code == 128 + signal.SIGTERM
        return out


def answer(words: list[str]) -> Answer:
    """Run a command in this process."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            exit_code = main(words)
        except BaseException:  # what main lets through is a bug, and is counted as one
            traceback.print_exc()
            exit_code = 1
    return Answer(exit_code=exit_code, output=output.getvalue(), errors=errors.getvalue())


@contextmanager
def steps_patched(*, save_every_seconds: float, stop_at: int | None = None) -> Iterator[None]:
    """Write checkpoints more often than once a minute, and perhaps stop after a step as a cluster does."""

    def patched(*, take_step: Callable[[int], bool], **rest: object) -> int:
        def stopping(step: int) -> bool:
            if step == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            return take_step(step)

        steps = partial(run_steps, save_every_seconds=save_every_seconds)
        return steps(take_step=stopping, **rest)  # type: ignore[arg-type]

    before = search.run_steps, training.run_steps
    search.run_steps = training.run_steps = patched  # type: ignore[attr-defined,assignment]
    try:
        yield
    finally:
        search.run_steps, training.run_steps = before  # type: ignore[attr-defined]


@contextmanager
def diverging(*, at: int) -> Iterator[None]:
    """Have trainings diverge at a step, or at the first one after it that is looked at, until they went back."""
    record = training.Training._record

    def patched(self: training.Training, run: RunFolder, *, is_evaluated: bool = False) -> str | None:
        if self._step >= at and self._roll_back is None:
            return f"step {self._step}: it diverges here"
        return record(self, run, is_evaluated=is_evaluated)

    training.Training._record = patched  # type: ignore[method-assign]
    try:
        yield
    finally:
        training.Training._record = record  # type: ignore[method-assign]


def die_going_back(*, event: int) -> None:
    """Kill this process at one of the times that it opens, renames or truncates a file once a run goes back.

    Args:
        event: Which one, from 0.
    """
    rewind, events = RunFolder.rewind_metrics, count(0)

    def patched(self: RunFolder, *, after_step: int) -> None:
        sys.addaudithook(hook)
        rewind(self, after_step=after_step)

    def hook(name: str, _: tuple[object, ...]) -> None:
        if name in {"open", "os.rename", "os.truncate"} and next(events) == event:
            os.kill(os.getpid(), signal.SIGKILL)

    RunFolder.rewind_metrics = patched  # type: ignore[method-assign]


def result(out: Path) -> dict[str, str]:
    """Hashes of what a run left: weights bit for bit, and its course without the columns that tell time."""
    files = sorted({file for pattern in _RESULTS for file in out.glob(pattern) if "checkpoint" not in file.name})
    return {str(file.relative_to(out)): _digest(file) for file in files}


def _digest(file: Path) -> str:
    content = file.read_bytes()
    if file.name == "metrics.csv":
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        content = repr([{key: cell for key, cell in row.items() if key not in CLOCK} for row in rows]).encode()
    return hashlib.sha256(content).hexdigest()


def begin(
    words: list[str], log: Path, *, largest_file: int | None = None, first: Callable[[], None] | None = None
) -> int:
    """Start a command in a forked process, with stdout and stderr in a file.

    Args:
        words: The command.
        log: The file.
        largest_file: Bytes that a file may have, as on a disk that fills; None for no bound.
        first: What the forked process does before the command.

    Returns:
        The process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # one that is sent at once waits until the command hears it
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return process
    exit_code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        for number in _SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        if first is not None:
            first()
        sys.argv = ["studentsearch", *words]
        program._open_closed_streams = _let_signals_in
        exit_code = program.start()
    except BaseException:
        traceback.print_exc()
    finally:  # whatever happens, the copy of this process must not go on with the campaign
        os._exit(exit_code)


def _let_signals_in() -> None:
    """What a program does first once it hears signals."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def ended(process: int) -> int:
    """Wait for a process; its exit code, negative for a signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
