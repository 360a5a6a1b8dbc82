"""Budgets of a search as integers, and what it found within them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studentsearch.errors import UsageError
from studentsearch.runs.files import JsonValue
from studentsearch.units import parse_budget


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStudent:
    """One student of a search.

    Attributes:
        label: Its budget in short, `90M`.
        folder: Its folder, relative to the run's.
        budget_macs: The budget.
        macs: What it costs.
        step: The step at which the count first was within the budget.
        seconds: Time of search until then, evaluations left out.
        accuracy_held_out: Top-1 in percent on the held-out training images, which the teacher may know by heart.
        accuracy_test: Top-1 in percent on the test images, before any distilling.
    """

    label: str
    folder: str
    budget_macs: int
    macs: int
    step: int
    seconds: float
    accuracy_held_out: float
    accuracy_test: float


def number_in(value: JsonValue) -> float:
    """A number of a checkpoint's facts."""
    assert isinstance(value, (int, float)), value
    return float(value)


def found_student(value: JsonValue) -> FoundStudent:
    """A student from a checkpoint's facts."""
    assert isinstance(value, Mapping)
    return FoundStudent(
        label=str(value["label"]),
        folder=str(value["folder"]),
        budget_macs=int(number_in(value["budget_macs"])),
        macs=int(number_in(value["macs"])),
        step=int(number_in(value["step"])),
        seconds=number_in(value["seconds"]),
        accuracy_held_out=number_in(value["accuracy_held_out"]),
        accuracy_test=number_in(value["accuracy_test"]),
    )


def budgets_in_macs(words: tuple[str, ...], full: int, smallest: int) -> tuple[int, ...]:
    """The budgets in multiply-accumulates, the largest first.

    Args:
        words: As the user wrote them.
        full: What the teacher costs.
        smallest: What no student can go below.

    Returns:
        One integer a budget, each once.

    Raises:
        UsageError: No budget, or one below the smallest; give a larger one.
    """
    if not words:
        raise UsageError("no budget given; say what is kept, such as --flops 90M or --flops 30%")
    budgets = sorted({parse_budget(text, full_macs=full) for text in words}, reverse=True)
    if budgets[-1] < smallest:
        raise UsageError(
            f"a budget of {budgets[-1]:,} multiply-accumulates is below {smallest:,}, the least through which the "
            "image still reaches the output; give a larger one"
        )
    return tuple(budgets)
