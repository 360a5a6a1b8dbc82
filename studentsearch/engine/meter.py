"""Scalars of many steps, read from the device together: a step does not wait for its own figures."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one step left.

    Attributes:
        step: Its number.
        values: Its scalars by name.
        seconds: Time of training until its end; within one reading of several steps all are taken as equally long.
        images_per_second: Over the steps that were read together.
    """

    step: int
    values: Mapping[str, float]
    seconds: float
    images_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What the steps since the last reading left.

    Attributes:
        steps: One reading a step, in order; none where none were kept.
        beside: The scalar that was read with them; 0 where no step was kept.
    """

    steps: Sequence[Reading]
    beside: float


class Meter:
    """Keeps the scalars of steps on their device until they are read."""

    def __init__(self, *, seconds: float = 0.0, read_every_seconds: float = 0.5) -> None:
        """Begin.

        Args:
            seconds: Time of training so far.
            read_every_seconds: How long figures may wait.
        """
        self.seconds = seconds
        self._read_every = read_every_seconds
        self._kept: list[tuple[int, Mapping[str, Tensor]]] = []
        self._started = time.perf_counter()

    def begin(self) -> None:
        """A step begins; the clock stands between reading and the next step."""
        if not self._kept:
            self._started = time.perf_counter()

    def keep(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Keep the scalars of a step.

        Args:
            step: Its number.
            values: 0-d tensors by name, all on one device.
        """
        self._kept.append((step, values))

    @property
    def is_due(self) -> bool:
        """Whether figures have waited long enough."""
        return bool(self._kept) and time.perf_counter() - self._started >= self._read_every

    def read(self, *, batch: int, beside: Callable[[], Tensor]) -> Readings:
        """All kept scalars and one more, in one transfer.

        Args:
            batch: Images a step.
            beside: Makes a 0-d tensor on the device of the others, such as the largest weight of now; called only
                where steps were kept.

        Returns:
            The readings.
        """
        if not self._kept:
            return Readings(steps=(), beside=0.0)
        scalars = [value for _, row in self._kept for value in row.values()]
        figures = torch.stack([scalar.float() for scalar in (*scalars, beside())]).tolist()
        duration = (time.perf_counter() - self._started) / len(self._kept)
        readings, position = [], 0
        for step, row in self._kept:
            self.seconds += duration
            values = dict(zip(row, figures[position : position + len(row)], strict=True))
            readings.append(Reading(step=step, values=values, seconds=self.seconds, images_per_second=batch / duration))
            position += len(row)
        self._kept = []
        return Readings(steps=readings, beside=figures[-1])
