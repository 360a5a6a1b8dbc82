"""The word when a search makes no progress: why its count does not fall, and what to change."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from studentsearch.search.pace import Pace

# A gates' mean that falls by less than this over a window has not moved: far under what any arriving search shows
# (0.02 over its slowest tenth), well over float32's rounding of a mean near 1.
_SMALLEST_FALL = 1e-3
# A count that falls at less than a tenth of the rate that the plan still needs has not moved.
_SMALLEST_SHARE_OF_RATE = 0.1
# Gates close from the heaviest down, so a forecast from their mean is coarse: only twice too late is called too late.
_LATE = 2.0
# Below this share, gates under zero are a few in passing rather than a swing.
_SWINGING_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPoint:
    """Where a search stood after a step.

    Attributes:
        step: Steps taken.
        macs: The count.
        gate_mean: Mean of the iterate over all gates, closed ones included.
        negative_share: Share of gates whose iterate is below 0, which all crossed zero since gates start at 1.
        penalty: lambda_2 at this step.
    """

    step: int
    macs: int
    gate_mean: float
    negative_share: float
    penalty: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StallPlan:
    """What a search's progress is measured against.

    Attributes:
        pace: The planned course of the count.
        rate: eta of the gates' step.
        mean_weight: Mean of a_j over all gates.
        nonnegative: Whether gates are held at or above 0.
    """

    pace: Pace
    rate: float
    mean_weight: float
    nonnegative: bool

    @property
    def window(self) -> int:
        """The steps without progress that are waited for: a tenth of the plan, from 20 to 100."""
        return max(20, min(100, self.pace.steps // 10))


def stall_reason(history: Sequence[SearchPoint], plan: StallPlan) -> str | None:
    """Why a search makes no progress over a window, and what to change, in one line.

    Args:
        history: At least 3 points in order of step, the first about one window before the last.
        plan: The course, and the facts of the gates' step.

    Returns:
        None where the count moves, is or was ahead of its pace, or will be moved by a penalty that still grows.
    """
    first, middle, last = history[0], history[len(history) // 2], history[-1]
    was_let_go = last.penalty < first.penalty  # the count was ahead within the window
    if last.macs <= plan.pace.target(last.step) or was_let_go or _count_moves(first, last, plan):
        return None
    speed = (middle.gate_mean - last.gate_mean) / (last.step - middle.step)
    dead_zone = 2 * plan.rate * last.penalty
    if not plan.nonnegative and (last.negative_share >= _SWINGING_SHARE or speed > dead_zone):
        verb = "swing" if last.negative_share >= _SWINGING_SHARE else "will swing"
        return (
            f"step {last.step}: gates {verb} through zero instead of closing: {last.negative_share:.1%} are below "
            f"zero, and they move {speed:.2g} a step where the zone that holds them is {dead_zone:.2g} wide; "
            "hold gates at or above zero and cap their momentum at 0.9"
        )
    if last.penalty > first.penalty:  # the penalty follows the count and has not reached its largest value
        return None
    fall = first.gate_mean - last.gate_mean
    pull = plan.rate * last.penalty * plan.mean_weight * (last.step - first.step)
    if fall > _SMALLEST_FALL or pull <= _SMALLEST_FALL:
        return _too_slow(history, plan)
    return (
        f"step {last.step}: the penalty {last.penalty:.2g} pulls, yet the gates' mean went from {first.gate_mean:.3f} "
        f"to {last.gate_mean:.3f} in {last.step - first.step} steps: the loss's gradient or its noise holds the gates; "
        "take larger batches, a lower --weight-rate, or a larger --penalty"
    )


class StallWatch:
    """Feeds `stall_reason` the last window of a search; it keeps no other state and decides nothing.

    It only talks, so a continued run starts with an empty window.
    """

    def __init__(self, plan: StallPlan) -> None:
        """Start with an empty window.

        Args:
            plan: The course, and the facts of the gates' step.
        """
        self._plan = plan
        self._history: deque[SearchPoint] = deque()

    def observe(self, point: SearchPoint) -> str | None:
        """Take in a point; at most one line per window comes back.

        Args:
            point: After a step later than the last one observed.

        Returns:
            One line that says why nothing moves and what to change, or None.
        """
        self._history.append(point)
        start = point.step - self._plan.window
        while len(self._history) > 1 and self._history[1].step <= start:
            self._history.popleft()
        if len(self._history) < 3 or self._history[0].step > start:
            return None
        line = stall_reason(tuple(self._history), self._plan)
        if line is not None:
            self._history.clear()
        return line


def _count_moves(first: SearchPoint, last: SearchPoint, plan: StallPlan) -> bool:
    left = max(plan.pace.steps - last.step, plan.window)
    needed_rate = math.log(last.macs / plan.pace.budget_macs) / left
    rate = math.log(first.macs / last.macs) / (last.step - first.step)
    return rate >= _SMALLEST_SHARE_OF_RATE * needed_rate


def _too_slow(history: Sequence[SearchPoint], plan: StallPlan) -> str | None:
    """The line for gates that fall too slowly, or None where they will have fallen far enough in time."""
    last = history[-1]
    needed = _steps_needed(history, plan)
    left = max(plan.pace.steps - last.step, 0)
    if needed <= _LATE * max(left, plan.window):
        return None
    speed = max(0.0, history[0].gate_mean - last.gate_mean) / (last.step - history[0].step)
    forecast = "and do not close that way" if math.isinf(needed) else f"and need about {needed:,.0f} more steps"
    return (
        f"step {last.step}: the penalty {last.penalty:.2g} is too small: the gates' mean falls {speed:.2g} a step, "
        f"{forecast} where {left:,} are left; raise --penalty, or give --steps without --penalty "
        "so that it follows the count"
    )


def _steps_needed(history: Sequence[SearchPoint], plan: StallPlan) -> float:
    """Steps until the gates' mean has fallen as far as the count must, at the window's speed and acceleration."""
    first, middle, last = history[0], history[len(history) // 2], history[-1]
    late_half = last.step - middle.step
    late_speed = (middle.gate_mean - last.gate_mean) / late_half
    early_speed = (first.gate_mean - middle.gate_mean) / (middle.step - first.step)
    acceleration = max(0.0, 2 * (late_speed - early_speed) / (last.step - first.step))
    speed = late_speed + acceleration * late_half / 2
    distance = last.gate_mean * (1 - plan.pace.budget_macs / last.macs)
    root = math.sqrt(max(0.0, speed**2 + 2 * acceleration * distance))
    return math.inf if speed + root <= 0 else 2 * distance / (speed + root)
