"""Signals that end a program: the first one is heard once, however many follow it within a second."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
SAME_SECONDS = 1.0
"""Closing a terminal sends several signals, and wrappers send one twice: within this time they count as one."""


class Interruption(KeyboardInterrupt):
    """A signal that ends the program where it stands."""


class Listener:
    """Hears signals in the main thread; a signal that was ignored when the program started stays ignored."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Hear nothing yet.

        Args:
            clock: Seconds that only grow.
        """
        self._clock = clock
        self._process = os.getpid()
        self._heard_at: float | None = None
        self._defers = False
        self._is_over = False
        self.received: int | None = None
        """The signal that was heard first."""

    def install(self) -> dict[int, Callable[[int, FrameType | None], object] | int | None]:
        """Hear signals from now on.

        Returns:
            The handlers of before, by signal.
        """
        before = {number: signal.getsignal(number) for number in _numbers()} if _is_main_thread() else {}
        heard = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
        for number in heard:
            signal.signal(number, self._hear)
        return heard

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Hear signals within the context; the handlers of before return after it.

        Yields:
            Once.
        """
        before = self.install()
        try:
            yield
        finally:
            for number, handler in before.items():
                # A handler that was not set from Python reads as None and cannot be set again.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Within the context the first signal is only remembered, in `received`, and a later one ends it at once.

        Yields:
            Once.
        """
        self._defers = True
        try:
            yield
        finally:
            self._defers = False

    def stop_raising(self) -> None:
        """The program is about to exit: a signal is no longer raised; one after a second ends the process at once."""
        self._is_over = True

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the form of a handler
        if os.getpid() != self._process:  # a child that was forked ends as any other program does
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        now = self._clock()
        if self._heard_at is not None and now - self._heard_at < SAME_SECONDS:
            return
        is_first, self._heard_at = self._heard_at is None, now
        if is_first:
            self.received = number
        if self._is_over:
            if not is_first:
                os._exit(128 + number)
        elif not (is_first and self._defers):
            raise Interruption


_program_listener: Listener | None = None


def listen_for_program() -> Listener:
    """Hear signals from here to the program's end; `deferred` then shares this listener.

    Returns:
        The listener.
    """
    global _program_listener
    _program_listener = Listener()
    _program_listener.install()
    return _program_listener


def is_interrupted() -> bool:
    """Whether a signal has ended what the program was doing."""
    return _program_listener is not None and _program_listener.received is not None


@contextmanager
def deferred() -> Iterator[Listener]:
    """Within the context the first signal is only remembered.

    Yields:
        Who remembers it: the whole program's listener, or one for this context alone.
    """
    listener = _program_listener
    if listener is not None:
        with listener.deferring():
            yield listener
        return
    own = Listener()
    with own.hearing(), own.deferring():
        yield own


def _numbers() -> tuple[int, ...]:
    return tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
