"""The penalty that makes the count follow its pace: a forecast of the gates, its bias, and the search on it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from studentsearch.engine.training_state import tensors_below
from studentsearch.errors import UsageError

_DRIFT_MEMORY = 0.8  # the gates' drift is averaged over about five steps,
_PUSH_MEMORY = 0.9  # the loss's push over about ten
_BIAS_MEMORY = 0.95  # a forecast's bias is averaged over about twenty steps
_NO_PROMISE = -1.0  # no forecast was made for this step; a checkpoint holds finite numbers only


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Where the gates will be some steps ahead: their drift decays, the loss goes on pushing, the penalty pulls.

    Attributes:
        horizon: Steps ahead, >= 1.
        rate: eta of the gates' step.
        momentum: Of the gates, in [0, 1).
    """

    horizon: int
    rate: float
    momentum: float

    def __post_init__(self) -> None:
        """Refuse a forecast of nothing.

        Raises:
            UsageError: If the horizon is below 1, or the momentum outside [0, 1).
        """
        if self.horizon < 1 or not 0 <= self.momentum < 1:
            raise UsageError(
                f"found a forecast over {self.horizon} steps with momentum {self.momentum}; expected at least 1 step "
                "and a momentum from 0 to below 1"
            )

    def gates_ahead(self, iterate: Tensor, drift: Tensor, push: Tensor, pull: Tensor) -> Tensor:
        """The gates after `horizon` steps, for each of several penalties.

        Args:
            iterate: `[G]`, now.
            drift: `[G]`, present change a step.
            push: `[G]`, the loss's mean gradient of late.
            pull: `[K, G]`, lambda_2 * a_j for each of the penalties.

        Returns:
            `[K, G]`, at or below 0 where a gate will have closed.
        """
        steps = torch.arange(1, self.horizon + 1, dtype=torch.float64)
        coasted = float((self.momentum**steps).sum())
        pulled = float(((1 - self.momentum**steps) / (1 - self.momentum)).sum())
        coasting = iterate + coasted * drift
        return coasting - (self.rate * pulled) * (push + pull)


class ForecastBias:
    """By how much counts come out above what was forecast for them, of late.

    A forecast takes the loss's push as it is, while the loss holds gates harder the further they fall. What it got
    wrong over the last steps is asked for on top.
    """

    def __init__(self, horizon: int) -> None:
        """Start without a bias.

        Args:
            horizon: Steps between a forecast and the count that it was made for.
        """
        self._promised = torch.full((horizon,), _NO_PROMISE, dtype=torch.float64)
        self._log_bias = torch.zeros((), dtype=torch.float64)

    def corrected(self, target: float) -> float:
        """The count to ask a forecast for, so that `target` comes out.

        Args:
            target: Multiply-accumulates wanted at the horizon.

        Returns:
            At most `target`, at least half of it.
        """
        return target * math.exp(-float(self._log_bias.clamp(0, math.log(2))))

    def observe(self, macs: int, promised: int) -> None:
        """Compare the count of now with what was forecast for it one horizon ago.

        Args:
            macs: The count of now.
            promised: What is forecast now for one horizon ahead.
        """
        due = float(self._promised[0])
        if due != _NO_PROMISE:
            error = torch.tensor(math.log(max(macs, 1) / max(due, 1)), dtype=torch.float64)
            self._log_bias = torch.lerp(error, self._log_bias, _BIAS_MEMORY)
        self._promised = torch.cat((self._promised[1:], torch.tensor([promised], dtype=torch.float64)))

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that moves, by name."""
        return {"promised": self._promised, "log_bias": self._log_bias}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave.

        Args:
            tensors: Everything that moves, by name.
        """
        self._promised, self._log_bias = tensors["promised"].cpu(), tensors["log_bias"].cpu()


def following_penalty(count: Callable[[Tensor], Sequence[int]], target: float) -> float:
    """The smallest penalty whose forecast count meets the target: 0 where coasting does, else found on two grids.

    Args:
        count: From penalties `[K]`, ascending, to the forecast counts; a larger penalty never gives a larger count.
        target: Multiply-accumulates wanted at the horizon.

    Returns:
        A number in [0, 10].
    """
    coarse = torch.cat((torch.zeros(1), torch.logspace(-5, 1, 13)))
    first = _first_within(count(coarse), target)
    if first == 0:
        return 0.0
    fine = torch.logspace(math.log10(max(float(coarse[first - 1]), 1e-6)), math.log10(float(coarse[first])), 9)[1:]
    return float(fine[_first_within(count(fine), target)])


def _first_within(counts: Sequence[int], target: float) -> int:
    return next((position for position, macs in enumerate(counts) if macs <= target), len(counts) - 1)


class FollowingPenalty:
    """The penalty of one search: a constant, or one that follows the pace of the count, averaged over two steps."""

    def __init__(self, forecast: Forecast, weights: Tensor, *, constant: float | None) -> None:
        """Start at rest.

        Args:
            forecast: Where the gates will be.
            weights: `[G]`, a_j of every gate.
            constant: The penalty where it does not follow the count; None lets it follow.
        """
        self._forecast, self._weights, self._follows = forecast, weights, constant is None
        self._bias = ForecastBias(forecast.horizon)
        self._drift, self._push = torch.zeros_like(weights), torch.zeros_like(weights)
        self.value = constant or 0.0

    def follow(self, iterate: Tensor, count: Callable[[Tensor], Sequence[int]], *, macs: int, target: float) -> None:
        """Set the penalty of the next step; a constant one stays.

        Args:
            iterate: `[G]`, the gates now.
            count: From gates `[K, G]` to their multiply-accumulates.
            macs: Their count now.
            target: The count wanted one horizon ahead.
        """
        if not self._follows:
            return

        def counts(penalties: Tensor) -> Sequence[int]:
            pull = penalties[:, None].to(iterate) * self._weights
            return count(self._forecast.gates_ahead(iterate, self._drift, self._push, pull))

        self.value = (self.value + following_penalty(counts, self._bias.corrected(target))) / 2
        self._bias.observe(macs, *counts(torch.tensor([self.value])))

    def observe(self, change: Tensor, gradient: Tensor) -> None:
        """Take in what a step did.

        Args:
            change: `[G]`, of the gates in the step.
            gradient: `[G]`, of the data term before it.
        """
        self._drift = torch.lerp(change, self._drift, _DRIFT_MEMORY)
        self._push = torch.lerp(gradient, self._push, _PUSH_MEMORY)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that moves, by name."""
        bias = {f"bias.{name}": tensor for name, tensor in self._bias.state_dict().items()}
        value = torch.tensor(self.value, dtype=torch.float64)
        return bias | {"drift": self._drift, "push": self._push, "value": value}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave, bit for bit.

        Args:
            tensors: Everything that moves, by name.
        """
        self._bias.load_state_dict(tensors_below(tensors, "bias."))
        self._drift = tensors["drift"].to(self._weights.device)
        self._push = tensors["push"].to(self._weights.device)
        self.value = float(tensors["value"])
