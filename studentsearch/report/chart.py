"""A course over steps drawn with block characters, so that it also reads in a file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

EIGHTHS = " ▁▂▃▄▅▆▇█"
HALVES = " ....####"  # the same nine levels where the output knows ASCII only
_LABEL_WIDTH = 9


def resampled(values: Sequence[float], width: int) -> list[float]:
    """`width` numbers for `values`: repeated where there are fewer, means of equal runs where there are more.

    Args:
        values: At least one finite number.
        width: At least 1.

    Returns:
        `width` numbers in the order of `values`.
    """
    edges = [position * len(values) // width for position in range(width + 1)]
    runs = [values[first : max(last, first + 1)] for first, last in pairwise(edges)]
    return [math.fsum(run) / len(run) for run in runs]


def bars(values: Sequence[float], *, height: int, bottom: float, top: float, ramp: str = EIGHTHS) -> list[str]:
    """One column a value, filled from the bottom.

    Args:
        values: Finite numbers.
        height: Rows, at least 1.
        bottom: Value of an empty column; the lowest drawn level is one eighth of a row.
        top: Value of a full column, above `bottom`.
        ramp: Nine characters from empty to full.

    Returns:
        `height` rows, the upper one first, each as long as `values`.
    """
    steps = len(ramp) - 1
    span = top - bottom
    levels = [1 + round((value - bottom) / span * (height * steps - 1)) if span else 1 for value in values]
    return [
        "".join(ramp[min(max(level - row * steps, 0), steps)] for level in levels) for row in range(height - 1, -1, -1)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A course with its highest and lowest value at its left; fits any width.

    Attributes:
        title: What is drawn.
        values: In order of steps; what is not finite is left out.
        top: Words for the largest value.
        bottom: Words for the smallest value.
        height: Rows, at least 2.
    """

    title: str
    values: tuple[float, ...]
    top: str
    bottom: str
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        finite = [value for value in self.values if math.isfinite(value)]
        if not finite:
            return
        width = max(options.max_width - _LABEL_WIDTH - 2, 1)
        ramp = HALVES if options.ascii_only else EIGHTHS
        rows = bars(resampled(finite, width), height=self.height, bottom=min(finite), top=max(finite), ramp=ramp)
        labels = [self.top, *[""] * (self.height - 2), self.bottom]
        yield Text(self.title, style="bold")
        for label, row in zip(labels, rows, strict=True):
            yield Text(f"{label:>{_LABEL_WIDTH}}  {row}", no_wrap=True, overflow="crop")
