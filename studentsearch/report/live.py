"""Progress of a long job on stderr: one live display on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from studentsearch.printable import printable
from studentsearch.report.words import fact_name, fact_words
from studentsearch.units import format_duration

SECONDS_BETWEEN_LINES = 10.0
_GAP = "  "
_MAX_LINE = 2000
_NO_FACTS: Mapping[str, float | int | str] = MappingProxyType({})


def seconds_left(*, first: int, step: int, total: int, elapsed: float) -> float | None:
    """Time left if the coming steps take as long as those taken here did.

    Args:
        first: Steps taken before this process began.
        step: Steps taken now.
        total: Steps planned.
        elapsed: Seconds since this process began.

    Returns:
        Seconds; None before the first step.
    """
    if step <= first:
        return None
    return max(total - step, 0) * elapsed / (step - first)


def filled_lines(words: Iterable[str], width: int) -> list[str]:
    """Facts side by side, on as many lines as they need; none is split over two.

    Args:
        words: What may stand on one line.
        width: Columns.

    Returns:
        Lines; longer than `width` only where a single fact is.
    """
    lines: list[str] = []
    for fact in words:
        if lines and len(lines[-1]) + len(_GAP) + len(fact) <= width:
            lines[-1] += _GAP + fact
        else:
            lines.append(fact)
    return lines


class _Display(Progress):
    """A bar with the newest facts on the lines below it."""

    facts: Sequence[str] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        lines = filled_lines(self.facts, self.console.width) if self.facts else [""]
        yield from (Text(printable(line), no_wrap=True, overflow="ellipsis") for line in lines)


class RichProgress:
    """Shows phases, steps, facts and time left; nothing of it goes to stdout.

    Use it as a context, so that an error gives the terminal back.
    """

    def __init__(self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet.

        Args:
            console: Where to; stderr unless given.
            clock: Seconds that only grow.
        """
        self._console = console or Console(file=sys.stderr)
        self._clock = clock
        self._display: _Display | None = None
        self._task = TaskID(0)
        self._phase = ""
        self._first = self._step = self._total = 0
        self._facts = _NO_FACTS
        self._began = self._said_at = 0.0
        self._is_said = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def begin(self, phase: str, *, total: int, first: int, unit: str = "steps") -> None:
        """A phase starts; one that still runs ends.

        Args:
            phase: Its name, as a user reads it.
            total: The number of its last step.
            first: Steps taken before, above 0 where a run is continued.
            unit: What is counted.
        """
        self.end()
        self._phase, self._total, self._first, self._step = phase, total, first, first
        self._facts, self._is_said = _NO_FACTS, True
        self._began = self._said_at = self._clock()
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(None),
                TextColumn("{task.fields[words]}", markup=False),
            )
            self._display = _Display(*columns, console=self._console, expand=True, redirect_stdout=False)
            self._task = self._display.add_task(phase, total=total, completed=first, words=self._steps_words())
            self._display.start()
        else:
            continued = f", continued after step {first}" if first else ""
            self._print(f"{phase}: {total} {unit}{continued}")

    def advance(self, step: int, facts: Mapping[str, float | int | str]) -> None:
        """A step was taken.

        Args:
            step: Its number, from 1.
            facts: What to show beside it, by name.
        """
        self._step, self._facts, self._is_said = step, facts, False
        if self._display:
            self._display.facts = self._facts_words()
            self._display.update(self._task, completed=step, words=self._steps_words())
        elif self._clock() - self._said_at >= SECONDS_BETWEEN_LINES:
            self._print_step(self._steps_words())

    def say(self, line: str) -> None:
        """Something worth one line happened.

        Args:
            line: The line.
        """
        self._print(line)

    def end(self) -> None:
        """The phase is over; the newest facts stay on screen."""
        if self._display:
            self._display.update(self._task, words=self._ended_words())
            self._display.stop()
            self._display = None
        elif not self._is_said:
            self._print_step(self._ended_words())
        self._is_said = True

    def _print_step(self, steps: str) -> None:
        self._print(_GAP.join((f"{self._phase} {steps}", *self._facts_words())))
        self._said_at, self._is_said = self._clock(), True

    def _print(self, line: str) -> None:
        self._console.print(Text(printable(line, limit=_MAX_LINE)), soft_wrap=True)

    def _steps_words(self) -> str:
        elapsed = self._clock() - self._began
        left = seconds_left(first=self._first, step=self._step, total=self._total, elapsed=elapsed)
        steps = f"{self._step}/{self._total}"
        return steps if left is None else f"{steps}  {format_duration(left)} left"

    def _ended_words(self) -> str:
        return f"{self._step}/{self._total}  in {format_duration(self._clock() - self._began)}"

    def _facts_words(self) -> list[str]:
        return [f"{fact_name(key)} {fact_words(key, value)}" for key, value in self._facts.items()]
