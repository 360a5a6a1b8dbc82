"""Steps that survive interruption: a signal ends the step, writes the checkpoint, then the run."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from studentsearch.errors import InterruptedRunError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_steps(
    *,
    first: int,
    last: int,
    take_step: Callable[[int], bool],
    save: Callable[[int], None],
    save_every_seconds: float = 60.0,
    how_to_continue: str,
) -> int:
    """Take the steps first + 1 .. last, saving now and then and at the end.

    An interrupt or termination signal lets the running step finish and its checkpoint be written; a second one
    stops at once. Signals are heard in the main thread only. A run interrupted in the very step that stopped early is
    continued with the next one, unless the caller sees in its own state that it had stopped.

    Args:
        first: Steps taken before, as saved; 0 for a fresh run.
        last: The number of the last step.
        take_step: Takes the step of that number and returns True to stop after it.
        save: Writes a checkpoint of the state after the step of that number.
        save_every_seconds: Time between checkpoints.
        how_to_continue: The command that continues the run, for the message.

    Returns:
        The number of the last step taken; `first` if there was none to take, and then nothing was saved.

    Raises:
        InterruptedRunError: After a signal, once the checkpoint is written.
    """
    if first >= last:
        return first
    step, saved_at = first, time.monotonic()
    with _SignalWatch() as watch:
        for step in range(first + 1, last + 1):
            stops = take_step(step)
            if stops or watch.received is not None:
                break
            if step < last and time.monotonic() - saved_at >= save_every_seconds:
                save(step)
                saved_at = time.monotonic()
        save(step)
        if watch.received is not None:
            raise InterruptedRunError(
                f"interrupted at step {step} of {last}, checkpoint written; continue with: {how_to_continue}",
                signal_number=watch.received,
            )
    return step


class _SignalWatch:
    """Remembers the first signal, raises KeyboardInterrupt at the second, puts the old handlers back."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._handlers = {
            number: signal.getsignal(number)
            for number in _SIGNALS
            if threading.current_thread() is threading.main_thread()
        }

    def __enter__(self) -> Self:
        for number in self._handlers:
            signal.signal(number, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            # A handler that was not set from Python reads as None and cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the form of a handler
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
