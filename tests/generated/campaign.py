"""Many networks: how they came out, and for each find the smallest network with the same cause."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

from .examine import Outcome, examine
from .program import Program
from .strategy import networks

CHUNK = 100
_TRIALS_OF_SHRINKING = 400


class _FoundError(Exception):
    """A network with the cause that is looked for."""


class _EnoughError(Exception):
    """Shrinking took long enough."""


@dataclass(slots=True)
class Tally:
    """How networks came out.

    Attributes:
        kinds: Number of networks for each kind of outcome.
        reasons: Number for each kind and reason.
        smallest: For each find the smallest network and its outcome.
        starts: For each find the seed of the chunk that has its smallest network.
        num_inexact: Networks whose plain layers or open student were equal only up to rounding.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    smallest: dict[tuple[str, str], tuple[Program, Outcome]] = field(default_factory=dict)
    starts: dict[tuple[str, str], int] = field(default_factory=dict)
    num_inexact: int = 0

    def add(self, program: Program, outcome: Outcome, start: int) -> None:
        """Note one network."""
        key = outcome.kind, outcome.reason
        self.kinds[outcome.kind] += 1
        self.num_inexact += not outcome.is_exact
        if outcome.kind != "ok":
            self.reasons[key] += 1
        if outcome.is_find:
            self.keep(program, outcome, start)

    def keep(self, program: Program, outcome: Outcome, start: int) -> None:
        """Note a find where it is the smallest with its cause."""
        key = outcome.kind, outcome.reason
        if key not in self.smallest or _size(program) < _size(self.smallest[key][0]):
            self.smallest[key] = program, outcome
            self.starts[key] = start

    def join(self, other: Tally) -> None:
        """Add another tally."""
        self.kinds += other.kinds
        self.reasons += other.reasons
        self.num_inexact += other.num_inexact
        for key, (program, outcome) in other.smallest.items():
            self.keep(program, outcome, other.starts[key])

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {self.kinds[kind]:,}" for kind in ("ok", "refused", "crash", "wrong"))
        return f"{self.kinds.total():,} networks: {kinds}; equal only up to rounding: {self.num_inexact:,}"


def examined(number: int, start: int) -> Tally:
    """So many networks from one seed on.

    Args:
        number: How many.
        start: The seed.

    Returns:
        How they came out; finds are as they were drawn.
    """
    tally = Tally()
    seen: set[str] = set()

    @seed(start)
    @_profile(2 * number, Phase.generate)
    @given(networks())
    def run(program: Program) -> None:
        # Many ways to draw make one network, which is examined once.
        if str(program) not in seen and len(seen) < number:
            seen.add(str(program))
            tally.add(program, examine(program), start)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()
    return tally


def shrunk(key: tuple[str, str], start: int) -> tuple[Program, Outcome] | None:
    """The smallest network with one cause that hypothesis makes of the first in a chunk.

    Args:
        key: Kind and reason.
        start: The chunk's seed.

    Returns:
        Network and outcome, None where it is not found again.
    """
    found: list[tuple[Program, Outcome]] = []
    trials = Counter[str]()

    @seed(start)
    @_profile(2 * CHUNK, Phase.generate, Phase.shrink)
    @given(networks())
    def run(program: Program) -> None:
        trials["shrinking"] += bool(found)
        if trials["shrinking"] > _TRIALS_OF_SHRINKING:
            raise _EnoughError
        outcome = examine(program)
        if (outcome.kind, outcome.reason) == key:
            found.append((program, outcome))
            raise _FoundError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run()
    except BaseException as error:
        if not found or isinstance(error, KeyboardInterrupt):
            return None
    return min(found, key=lambda pair: _size(pair[0]), default=None)


def campaign(count: int, start: int, minutes: float, processes: int) -> Iterator[Tally]:
    """Tallies of chunks until so many networks, or so many minutes, are over.

    Args:
        count: How many networks.
        start: Seed of the first chunk.
        minutes: No chunk begins later.
        processes: How many run at once.

    Yields:
        A tally a chunk.
    """
    end = time.monotonic() + 60 * minutes
    tasks = [(min(CHUNK, count - first), start * 1_000_000 + first, end) for first in range(0, count, CHUNK)]
    if processes == 1:
        yield from map(_chunk, tasks)
        return
    with ProcessPoolExecutor(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(_chunk, tasks)


def _chunk(task: tuple[int, int, float]) -> Tally:
    number, start, end = task
    return examined(number, start) if time.monotonic() < end else Tally()


def _size(program: Program) -> tuple[int, int]:
    return len(program.lines), len(str(program))


def _profile(number: int, *phases: Phase) -> settings:
    return settings(
        max_examples=number,
        phases=phases,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
