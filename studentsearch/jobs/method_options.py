"""How a student is taught, as a user chooses it; nothing here needs torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studentsearch.distill.methods import LossWeights, method
from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from studentsearch.distill.clipping import ClippingMode
    from studentsearch.distill.cross_layer import Reduction


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOptions:
    """What a user chooses of the loss; weights of None mean what the method is published or usually run with.

    Attributes:
        name: A name of `studentsearch.distill.methods`.
        cross_entropy: Weight of the cross entropy to the labels.
        kl: Weight of the KL to the teachers' softened outputs.
        knowledge: Weight of the method's own term.
        temperature: Of both softmax outputs.
        squared_temperature: Whether the KL is multiplied by temperature ** 2.
        reverse: Whether the KL is KL(student || teacher).
        max_distance: Up to how many feature points apart cross-layer matrices join.
        reduction: Whether the entries of Gram matrices are averaged, or summed as printed.
        clipping: Whether the gradient of the method's own term is scaled by its ratio to the others'.
        teacher_points: Feature points of the teachers by name; none means the usual ones.
        student_points: Feature points of the student by name; none means the usual ones.
    """

    name: str = "hinton"
    cross_entropy: float | None = None
    kl: float | None = None
    knowledge: float | None = None
    temperature: float = 4.0
    squared_temperature: bool = True
    reverse: bool = False
    max_distance: int = 3
    reduction: Reduction = "mean"
    clipping: ClippingMode = "off"
    teacher_points: tuple[str, ...] = ()
    student_points: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything, before a run folder is made.

        Raises:
            UsageError: The temperature is not positive, a weight negative, or the distance below 1.
        """
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"found temperature {self.temperature}; expected a number above 0; 4 is usual")
        weights = (self.cross_entropy, self.kl, self.knowledge)
        if not all(weight is None or 0 <= weight < math.inf for weight in weights):
            given = " ".join(str(weight) for weight in weights if weight is not None)
            raise UsageError(f"found weights of losses {given}; expected numbers from 0 upward")
        if self.max_distance < 1:
            raise UsageError(
                f"found --cross {self.max_distance}; expected 1 (neighbouring feature points only) or more; "
                "3 is published; --method kl has no cross-layer term"
            )


def loss_weights(options: MethodOptions) -> LossWeights:
    """The weights of a method's terms, those that the user did not choose filled in.

    Args:
        options: What the user chose.

    Returns:
        The weights, not all 0.

    Raises:
        UsageError: No such method, all weights 0, or clipping of a term that is minimised alone.
    """
    chosen = method(options.name)
    if chosen.first_stage and options.clipping != "off":
        raise UsageError(
            f"found --clip {options.clipping} with --method {chosen.name}, whose term is minimised alone; "
            "expected another beside it that a ratio is taken to; leave --clip out, or take --method fsp_kd"
        )
    weights = LossWeights(
        cross_entropy=_given(options.cross_entropy, chosen.weights.cross_entropy),
        kl=_given(options.kl, chosen.weights.kl),
        knowledge=_given(options.knowledge, chosen.weights.knowledge),
    )
    has_term = chosen.has_term and weights.knowledge > 0
    if not (weights.cross_entropy > 0 or weights.kl > 0 or has_term):
        raise UsageError(f"found only weights of 0 for --method {chosen.name}; give one of its terms a weight")
    return weights


def needs_teachers(options: MethodOptions) -> bool:
    """Whether a teacher is asked at all.

    Args:
        options: What the user chose.

    Returns:
        Whether one is.
    """
    weights = loss_weights(options)
    return weights.kl > 0 or (method(options.name).has_term and weights.knowledge > 0)


def _given(value: float | None, default: float) -> float:
    return default if value is None else value
