"""The modified Nesterov accelerated proximal step on the gates, as pure formulas."""

from dataclasses import dataclass

import torch
from torch import Tensor

from studentsearch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProximalState:
    """Where the gates stand after `step` steps: all tensors `[G]`, of one dtype (float32 in a search).

    Attributes:
        look_ahead: g_k, the gates that the next forward pass uses.
        iterate: s_k, the gates that are counted, cut and folded; a gate is closed where it is exactly 0.
        velocity: v_k.
        step: k, the number of steps taken.
    """

    look_ahead: Tensor
    iterate: Tensor
    velocity: Tensor
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProximalRule:
    """What is constant over the steps.

    Attributes:
        rate: eta, the step size, > 0.
        momentum_cap: The largest momentum, in [0, 1]; None leaves (k - 2) / (k + 1) as published, 0 is the plain
            proximal gradient step.
        nonnegative: Whether iterate and look-ahead are held at or above 0; False is the signed step as published.
        largest: What both are held at or below, above 0; None leaves them.
    """

    rate: float
    momentum_cap: float | None
    nonnegative: bool
    largest: float | None = None

    def __post_init__(self) -> None:
        """Refuse values outside their ranges.

        Raises:
            UsageError: If the rate or the largest gate is not positive, or the cap lies outside [0, 1]; 0.1, 2 and
                0.9 are usual.
        """
        if self.largest is not None and not self.largest > 0:
            raise UsageError(f"found largest gate {self.largest}; expected a number above 0; 2 is usual")
        if not self.rate > 0:
            raise UsageError(f"found gate rate {self.rate}; expected a number above 0; 0.1 is usual")
        if self.momentum_cap is not None and not 0 <= self.momentum_cap <= 1:
            raise UsageError(f"found momentum cap {self.momentum_cap}; expected a number from 0 to 1; 0.9 is usual")


def soft_threshold(values: Tensor, threshold: Tensor) -> Tensor:
    """Values moved toward zero by `threshold`, exactly 0 within it.

    Args:
        values: Any shape.
        threshold: Same shape as `values` or broadcastable to it, >= 0.

    Returns:
        Same shape, dtype and device as `values`.

    Source:
        Parikh and Boyd, "Proximal Algorithms", 2014, section 6.5.2.
    """
    return values - torch.clamp(values, -threshold, threshold)


def soft_threshold_nonnegative(values: Tensor, threshold: Tensor) -> Tensor:
    """Values lowered by `threshold`, exactly 0 where that would pass below zero.

    The exact proximal step of threshold * |g| on g >= 0.

    Args:
        values: Any shape.
        threshold: Same shape as `values` or broadcastable to it, >= 0.

    Returns:
        Same shape, dtype and device as `values`.

    Source:
        Parikh and Boyd, "Proximal Algorithms", 2014, section 6.5.2, restricted to the nonnegative half-line.
    """
    return (values - threshold).clamp_min(0)


def initial_state(gates: Tensor) -> ProximalState:
    """The state before the first step: at `gates`, at rest.

    Args:
        gates: `[G]`; copied, so that later changes to it do not reach the state.

    Returns:
        Step 0 with look-ahead and iterate equal to `gates` and velocity 0.
    """
    start = gates.detach()
    return ProximalState(
        look_ahead=start.clone(),
        iterate=start.clone(),
        velocity=torch.zeros_like(start),
        step=0,
    )


def proximal_step(state: ProximalState, gradient: Tensor, penalty: Tensor, rule: ProximalRule) -> ProximalState:
    """The state one modified Nesterov accelerated proximal step later.

    With k = state.step + 1, t = rate * penalty and S the soft threshold,

        z_k = g_{k-1} - rate * gradient          s_k = S(z_k, t)
        v_k = s_k - g_{k-1} + mu_{k-1} v_{k-1}   g_k = s_k + mu_k v_k   mu_{k-1} = (k - 2) / (k + 1)

    where mu is held between 0 and the rule's cap. With `nonnegative`, S is the nonnegative soft threshold and g_k is
    clamped at 0; with `largest`, s_k and g_k are clamped there, which is the exact step on g <= largest. One gradient
    per step, no extra forward pass.

    Args:
        state: After k - 1 steps.
        gradient: `[G]`, of the data term at `state.look_ahead`.
        penalty: `[G]`, lambda_2 * a_j per gate, >= 0.
        rule: Step size, momentum and sign.

    Returns:
        A new state with new tensors; `state` is left as it was.

    Source:
        Gu and Tresp, "Search for Better Students to Learn Distilled Knowledge", 2020 (arXiv 2001.11612), the section
        on optimization; the step is from Huang and Wang, "Data-Driven Sparse Structure Selection for Deep Neural
        Networks", ECCV 2018, which also clamps the look-ahead at 0.
    """
    shrink = soft_threshold_nonnegative if rule.nonnegative else soft_threshold
    step = state.step + 1
    moved = torch.add(state.look_ahead, gradient, alpha=-rule.rate)
    iterate = shrink(moved, penalty * rule.rate)
    if rule.largest is not None:
        iterate = iterate.clamp_max(rule.largest)
    velocity = iterate - state.look_ahead + _momentum(step - 1, rule.momentum_cap) * state.velocity
    look_ahead = iterate + _momentum(step, rule.momentum_cap) * velocity
    if rule.nonnegative:
        look_ahead = look_ahead.clamp_min(0)
    if rule.largest is not None:
        look_ahead = look_ahead.clamp_max(rule.largest)
    return ProximalState(look_ahead=look_ahead, iterate=iterate, velocity=velocity, step=step)


def _momentum(step: int, cap: float | None) -> float:
    """mu_k = (k - 1) / (k + 2), from 0 (before k = 1 the formula is negative) up to `cap`."""
    momentum = max(0.0, (step - 1) / (step + 2))
    return momentum if cap is None else min(momentum, cap)
