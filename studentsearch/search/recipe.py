"""How a search moves: the defaults that arrive, and the method exactly as printed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from studentsearch.errors import UsageError
from studentsearch.runs.files import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Which data term a search minimizes, and how its penalty weighs the gates.

    Attributes:
        kind: `kd` is the KL term to the teacher's softened outputs; `np` (network pruning) the cross entropy to the
            labels at temperature 1, for which the next four do not count.
        temperature: Of both softmax outputs, > 0.
        squared_temperature: Whether the KL term is multiplied by temperature ** 2; it changes what l2 means.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecipe:
    """The knobs of a search.

    Attributes:
        steps: Step near which the last budget is met; with a constant `l2`, the last step taken.
        batch: Images a step.
        objective: The data term.
        l2: A constant penalty; None lets it follow the count.
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
        weight_decay: l1 of the objective.
        batches_for_statistics: Batches of 128 training images from which BatchNorm is recomputed after a cut.
    """

    steps: int = 1000
    batch: int = 64
    objective: Objective = field(default_factory=Objective)
    l2: float | None = None
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
            UsageError: No steps or images, or a rate or penalty that is negative or not finite.
        """
        if self.steps < 1 or self.batch < 1:
            raise UsageError(f"found {self.steps} steps of {self.batch} images; expected at least 1 of each")
        numbers = {
            "a penalty": self.l2,
            "a gate rate": self.gate_rate,
            "a weight rate": self.weight_rate,
            "a weight decay": self.weight_decay,
        }
        for what, number in numbers.items():
            if number is not None and not 0 <= number < math.inf:
                raise UsageError(f"found {what} of {number}; expected a finite number from 0 upward")

    def as_json(self) -> dict[str, JsonValue]:
        """The knobs as JSON values."""
        values: dict[str, JsonValue] = asdict(self)
        return values


def as_printed(recipe: SearchRecipe) -> SearchRecipe:
    """The recipe of Gu and Tresp 2020 to the letter: constant l2, uncapped momentum, signed soft threshold, one rate.

    Args:
        recipe: Gives steps, batch and objective; its l2 is kept where it is set.

    Returns:
        The same search with every other knob as published.
    """
    return replace(
        recipe,
        l2=1e-3 if recipe.l2 is None else recipe.l2,
        gate_rate=0.1,
        momentum_cap=None,
        nonnegative=False,
        largest_gate=None,
        is_relative=False,
        weight_rate=0.1,
        final_weight_rate=0.1,
    )
