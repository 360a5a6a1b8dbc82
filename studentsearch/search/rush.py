"""Gates that close in a rush: one step that takes the count to a budget, or far under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studentsearch.errors import BudgetNotReachedError
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.search.floor import largest_within
from studentsearch.search.pace import Pace

# A step this early in the plan that takes the count all the way is none that the plan asked for.
_EARLY_SHARE = 0.25
# Less than that is what closing a few gates costs, even where the budget is near the teacher's count.
_SMALLEST_RUSH = 0.25


class RushError(BudgetNotReachedError):
    """A count that fell to a budget, or far under it, in one step; smaller steps of the gates are the cure."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GateStep:
    """The gates around one step.

    Attributes:
        number: Of the step, from 1.
        before: `[G]`, the gates before it, closed where 0.
        after: `[G]`, the gates after it.
        macs: Multiply-accumulates after it.
    """

    number: int
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    macs: int


def rush_words(step: GateStep, gated: GatedNetwork, pace: Pace, budget_macs: int) -> str | None:
    """One line about a step that closed gates beyond a budget.

    Args:
        step: A step whose count is within the budget.
        gated: The network and its gates.
        pace: The planned course of the count.
        budget_macs: The budget.

    Returns:
        One line where the count is under half of the budget, though with some of the gates that closed in this step
        left open it would be half at least; else None.

    Raises:
        RushError: It is even under a quarter, or an early step took the whole way that the plan has for all steps;
            lower the rate of the gates.
    """
    if _is_whole_way(step, gated, pace):
        raise RushError(
            f"step {step.number} of {pace.steps} planned: gates closed in a rush: this one step took the count to "
            f"{step.macs:,} multiply-accumulates, more than the whole way from the teacher's {pace.full_macs:,} to "
            f"the budget of {pace.budget_macs:,}"
        )
    if step.macs >= budget_macs / 2:
        return None
    possible = largest_within(gated, step.before, step.after, budget_macs)
    if possible < budget_macs / 2:
        return None
    words = (
        f"step {step.number}: gates closed in a rush: the count fell to {step.macs:,} multiply-accumulates, "
        f"far under the budget of {budget_macs:,}, where {possible:,} were possible"
    )
    if step.macs < budget_macs / 4:
        raise RushError(words)
    return words


def _is_whole_way(step: GateStep, gated: GatedNetwork, pace: Pace) -> bool:
    """Whether a step was early and took the way that the plan has for all of them, by several gates."""
    if step.number > _EARLY_SHARE * pace.steps:
        return False
    closed = int(((step.before != 0) & (step.after == 0)).sum())
    before = int(gated.macs(step.before != 0))
    is_large = step.macs < (1 - _SMALLEST_RUSH) * before
    return closed > 1 and is_large and step.macs * pace.full_macs <= before * pace.budget_macs
