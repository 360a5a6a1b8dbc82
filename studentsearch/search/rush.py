"""A rush: one step that closes so many gates that the count falls to a budget early, or far under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studentsearch.errors import BudgetNotReachedError
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.search.floor import largest_within
from studentsearch.search.pace import Pace

# A step in this first share of the plan is not meant to reduce the count as much as all steps together.
_EARLY_SHARE = 0.25
# A step that removes a smaller share of the count is ordinary, also where the budget is near the teacher's count.
_SMALLEST_RUSH = 0.25


class RushError(BudgetNotReachedError):
    """A count that fell to a budget, or far under it, in one step; smaller steps of the gates are the cure."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GateStep:
    """The gates around one step.

    Attributes:
        number: Step number, from 1.
        before: `[G]`, the gates before it, closed where 0.
        after: `[G]`, the gates after it.
        macs: Multiply-accumulates after it.
    """

    number: int
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    macs: int


def rush_words(step: GateStep, gated: GatedNetwork, pace: Pace, budget_macs: int) -> str | None:
    """Check a step for a rush.

    Args:
        step: A step whose count is within the budget.
        gated: The network and its gates.
        pace: The planned course of the count.
        budget_macs: The budget.

    Returns:
        A warning of one line where the count is under half of the budget, while leaving some of the gates open that
        closed in this step would have kept it between half of the budget and the budget; else None.

    Raises:
        RushError: In that case where the count is even under a quarter of the budget, or where an early step reduced
            the count by the factor that is planned for all steps; lower the learning rate of the gates.
    """
    before = int(gated.macs(step.before != 0))
    if _is_early(step, pace) and _is_as_large_as_the_plan(step, before, pace):
        raise RushError(
            f"step {step.number} of {pace.steps} planned: gates closed in a rush: this one step took the count from "
            f"{before:,} to {step.macs:,} multiply-accumulates, by the factor planned for all steps, from the "
            f"teacher's {pace.full_macs:,} to the budget of {pace.budget_macs:,}"
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


def _is_early(step: GateStep, pace: Pace) -> bool:
    return step.number <= _EARLY_SHARE * pace.steps


def _is_as_large_as_the_plan(step: GateStep, before_macs: int, pace: Pace) -> bool:
    """Whether two gates or more closed, a quarter of the count went, and it fell by the factor of the whole plan."""
    closed = int(((step.before != 0) & (step.after == 0)).sum())
    is_large_cut = step.macs < (1 - _SMALLEST_RUSH) * before_macs
    return closed > 1 and is_large_cut and step.macs * pace.full_macs <= before_macs * pace.budget_macs
