import signal
import threading

import pytest

from studentsearch import interruption
from studentsearch.engine import loop
from studentsearch.engine.loop import run_steps
from studentsearch.errors import InterruptedRunError


class Job:
    """Counts its steps; may raise a signal in one, or stop after one."""

    def __init__(self, *, signals: dict[int, list[signal.Signals]] | None = None, stop_at: int | None = None) -> None:
        self.steps: list[int] = []
        self.saves: list[int] = []
        self.signals = signals or {}
        self.stop_at = stop_at

    def take_step(self, step: int) -> bool:
        for number in self.signals.get(step, []):
            signal.raise_signal(number)
        self.steps.append(step)
        return step == self.stop_at

    def run(self, first: int = 0, last: int = 5, save_every_seconds: float = 60.0) -> int:
        return run_steps(
            first=first,
            last=last,
            take_step=self.take_step,
            save=self.saves.append,
            save_every_seconds=save_every_seconds,
            how_to_continue="studentsearch search --out RUN",
        )


def test_all_steps_are_taken_and_the_end_is_saved() -> None:
    job = Job()
    assert job.run(first=2) == 5
    assert job.steps == [3, 4, 5]
    assert job.saves == [5]


def test_a_step_may_end_the_run() -> None:
    job = Job(stop_at=3)
    assert job.run() == 3
    assert job.steps == [1, 2, 3]
    assert job.saves == [3]


def test_nothing_to_do_saves_nothing() -> None:
    job = Job()
    assert job.run(first=5) == 5
    assert not job.steps
    assert not job.saves


def test_checkpoints_come_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    job = Job()

    def take_step(step: int) -> bool:
        now[0] += 25
        return job.take_step(step)

    run_steps(first=0, last=6, take_step=take_step, save=job.saves.append, how_to_continue="again")
    assert job.saves == [3, 6]


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_finishes_the_step_and_saves(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    job = Job(signals={3: [number]})
    message = "interrupted at step 3 of 5, checkpoint written; continue with: studentsearch search --out RUN"
    with pytest.raises(InterruptedRunError, match=message) as caught:
        job.run()
    assert caught.value.exit_code == 128 + number
    assert job.steps == [1, 2, 3]
    assert job.saves == [3]
    assert signal.getsignal(number) is before


def test_two_signals_within_a_second_are_one() -> None:
    job = Job(signals={2: [signal.SIGTERM, signal.SIGTERM, signal.SIGINT]})
    with pytest.raises(InterruptedRunError, match="interrupted at step 2 of 5"):
        job.run()
    assert job.saves == [2]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_was_ignored_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)  # as `nohup` and a shell's background jobs have it
    try:
        assert Job(signals={2: [number]}).run() == 5
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_later_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "SAME_SECONDS", 0.0)
    before = signal.getsignal(signal.SIGTERM)
    job = Job(signals={2: [signal.SIGTERM, signal.SIGINT]})
    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert job.steps == [1]
    assert not job.saves
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_failing_step_is_not_saved_and_handlers_return() -> None:
    before = signal.getsignal(signal.SIGINT)

    def fail(step: int) -> bool:
        raise ArithmeticError(f"step {step}")

    saves: list[int] = []
    with pytest.raises(ArithmeticError, match="step 1"):
        run_steps(first=0, last=2, take_step=fail, save=saves.append, how_to_continue="again")
    assert not saves
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_leave_signals_alone() -> None:
    results: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=lambda: results.append(Job().run()))
    thread.start()
    thread.join()
    assert results == [5]
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupted_and_continued_equals_uninterrupted() -> None:
    interrupted = Job(signals={2: [signal.SIGINT]})
    with pytest.raises(InterruptedRunError, match="step 2 of 5"):
        interrupted.run()
    interrupted.signals = {}
    interrupted.run(first=interrupted.saves[-1])
    whole = Job()
    whole.run()
    assert interrupted.steps == whole.steps
