"""How a search moves: the defaults that arrive, and the method exactly as printed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from studentsearch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Which data term a search minimizes, and how its penalty weighs the gates.

    Attributes:
        kind: `kd` is the KL term to the teacher's softened outputs; `np` (network pruning) the cross entropy to the
            labels at temperature 1, for which the next four do not count.
        temperature: Of both softmax outputs, > 0.
        squared_temperature: Whether the KL term is multiplied by temperature ** 2; one penalty weighs
            less beside it then.
        reverse: Whether the term is KL(student || teacher).
        kl_target: K in nats, >= 0, where the term is |KL - K|; None for KL itself.
        flops_weights: Whether a gate's penalty weighs what closing it saves; False makes all weights 1.
    """

    kind: Literal["kd", "np"] = "kd"
    temperature: float = 4.0
    squared_temperature: bool = False
    reverse: bool = False
    kl_target: float | None = None
    flops_weights: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            UsageError: If the kind is unknown, the temperature not positive, or the KL target negative or given
                without a KL term.
        """
        if self.kind not in {"kd", "np"}:
            raise UsageError(f"found objective {self.kind!r}; expected kd or np; choose one")
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"found temperature {self.temperature}; expected a number above 0; 4 is usual")
        if self.kl_target is None:
            return
        if self.kind == "np":
            raise UsageError("found a KL target with objective np, which has no KL term; leave it out or choose kd")
        if not 0 <= self.kl_target < math.inf:
            raise UsageError(f"found KL target {self.kl_target}; expected 0 or more; a divergence is never negative")

    @property
    def compared_temperature(self) -> float | None:
        """The temperature at which outputs are compared with the teacher's; None where they are not."""
        return self.temperature if self.kind == "kd" else None


_USUAL_PENALTY = 1e-3  # published


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecipe:
    """The knobs of a search.

    Attributes:
        steps: Step near which the last budget is met; with a constant `penalty`, the last step taken.
        batch: Images a step.
        objective: The data term.
        penalty: A constant lambda_2, strength of the FLOPs-weighted L1 penalty; None lets it follow the count.
        pace: Exponent of the planned course of the count; below 1 it starts faster and ends slower.
        horizon: Steps ahead for which a following penalty is chosen.
        gate_rate: eta of the gates' proximal step.
        momentum_cap: Largest momentum of the gates; None for (k - 2) / (k + 1) as printed.
        nonnegative: Whether gates are held at or above zero.
        largest_gate: What gates are held at or below, since behind BatchNorm nothing else does; None leaves
            them, 2 is usual.
        is_relative: Whether a reader's gradients shrink with the mean of its gates (the weights' with its square).
        weight_rate: First learning rate of the weights.
        final_weight_rate: Their last one, along a cosine over `steps`.
        weight_decay: lambda_1.
        batches_for_statistics: Batches of 128 training images from which BatchNorm is recomputed after a cut.
    """

    steps: int = 1000
    batch: int = 64
    objective: Objective = field(default_factory=Objective)
    penalty: float | None = None
    pace: float = 0.5
    horizon: int = 20
    gate_rate: float = 0.2
    momentum_cap: float | None = 0.9
    nonnegative: bool = True
    largest_gate: float | None = None
    is_relative: bool = True
    weight_rate: float = 0.2
    final_weight_rate: float = 0.03
    weight_decay: float = 1e-4
    batches_for_statistics: int = 32

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            UsageError: Steps, images or batches below 1, or a rate, penalty, pace, momentum or decay out of its range.
        """
        numbers = {
            "steps": self.steps,
            "batch": self.batch,
            "horizon": self.horizon,
            "batches_for_statistics": self.batches_for_statistics,
        }
        for name, number in numbers.items():
            if number < 1:
                raise UsageError(f"found {name} = {number}; expected at least 1")
        for name, rate, usual in (("gate_rate", self.gate_rate, 0.2), ("pace", self.pace, 0.5)):
            if not 0 < rate < math.inf:
                raise UsageError(f"found {name} = {rate}; expected a finite number above 0; {usual} is usual")
        amounts = (
            ("penalty", self.penalty or 0.0, _USUAL_PENALTY),
            ("weight_rate", self.weight_rate, 0.2),
            ("final_weight_rate", self.final_weight_rate, 0.03),
            ("weight_decay", self.weight_decay, 1e-4),
        )
        for name, amount, usual in amounts:
            if not 0 <= amount < math.inf:
                raise UsageError(f"found {name} = {amount}; expected a finite number of 0 or more; {usual:g} is usual")

    @property
    def cure(self) -> str:
        """What to lower where a search diverges: what is above its usual value, else the rates to a tenth."""
        usual = SearchRecipe()
        given = {
            "--penalty": (self.penalty or 0.0, _USUAL_PENALTY),
            "--gate-rate": (self.gate_rate, usual.gate_rate),
            "--weight-rate": (self.weight_rate, usual.weight_rate),
        }
        lower = {name: usually for name, (value, usually) in given.items() if value > usually}
        lower = lower or {"--gate-rate": self.gate_rate / 10, "--weight-rate": self.weight_rate / 10}
        return f"lower {' and '.join(f'{name} to {value:g}' for name, value in lower.items())}, or give more --steps"

    def slowed(self, factor: float) -> SearchRecipe:
        """The recipe with the rates of gates and weights multiplied.

        Args:
            factor: Above 0; 1 leaves the recipe as it is.

        Returns:
            The recipe.
        """
        return replace(
            self,
            gate_rate=self.gate_rate * factor,
            weight_rate=self.weight_rate * factor,
            final_weight_rate=self.final_weight_rate * factor,
        )


def as_printed(recipe: SearchRecipe) -> SearchRecipe:
    """The recipe of Gu and Tresp 2020 as published: constant penalty, uncapped momentum, signed threshold, one rate.

    Args:
        recipe: Gives steps, batch and objective; its penalty is kept where one is set.

    Returns:
        The same search with every other knob as published.
    """
    return replace(
        recipe,
        penalty=_USUAL_PENALTY if recipe.penalty is None else recipe.penalty,
        gate_rate=0.1,
        momentum_cap=None,
        nonnegative=False,
        largest_gate=None,
        is_relative=False,
        weight_rate=0.1,
        final_weight_rate=0.1,
    )
