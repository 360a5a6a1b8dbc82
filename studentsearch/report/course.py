"""The course of a run over its steps: what charts draw and what TensorBoard gets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET

from studentsearch.records.metrics import MetricRow, columns

CHARTED = {
    "search": ("macs", "kl"),
    "distill": ("loss", "knowledge", "tau", "beta", "accuracy_held_out"),
    "teach": ("loss", "accuracy_held_out"),
}
"""Columns that are drawn, by kind of run; fields of the rows in `records/metrics.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One column over the steps where it has a value.

    Attributes:
        column: Its name.
        steps: Ascending.
        values: As many; some may be infinite.
    """

    column: str
    steps: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def finite(self) -> "Series":
        """The same without the steps whose value is infinite."""
        pairs = [(step, value) for step, value in zip(self.steps, self.values, strict=True) if math.isfinite(value)]
        return Series(
            column=self.column, steps=tuple(step for step, _ in pairs), values=tuple(value for _, value in pairs)
        )


def series(rows: Sequence[MetricRow], column: str) -> Series:
    """A column over the steps where it is a number.

    Args:
        rows: The course of a run.
        column: A field of its rows.

    Returns:
        Steps and values; none where the run has no such column.
    """
    cells = [(row.step, getattr(row, column)) for row in rows]
    known = [(step, value) for step, value in cells if _is_number(value)]
    return Series(column=column, steps=tuple(step for step, _ in known), values=tuple(value for _, value in known))


def all_series(rows: Sequence[MetricRow]) -> tuple[Series, ...]:
    """Every column but the step, see `series`."""
    names = columns(type(rows[0])) if rows else ()
    return tuple(series(rows, name) for name in names if name != "step")


def charted(rows: Sequence[MetricRow], kind: str) -> tuple[Series, ...]:
    """What is drawn of the course of a run.

    Args:
        rows: The course.
        kind: The kind of the run.

    Returns:
        Finite values; columns without one are left out.
    """
    drawn = (series(rows, column).finite for column in CHARTED[kind])
    return tuple(one for one in drawn if one.steps)


def _is_number(value: object) -> bool:
    return value is not None and value is not UNSET and not (isinstance(value, float) and math.isnan(value))
