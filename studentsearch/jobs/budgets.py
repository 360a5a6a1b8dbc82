"""Budgets of a search as integers."""

from __future__ import annotations

from studentsearch.errors import UsageError
from studentsearch.units import parse_budget


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
