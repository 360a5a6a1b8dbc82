"""Signs that a training went wrong: a loss that runs away, and a network that only guesses at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from studentsearch.engine.evaluate import Evaluation

# Three standard deviations of a binomial: one guessing network in 700 is taken for one that knows something.
_STANDARD_DEVIATIONS = 3.0
# A loss within 1 % of that of the class shares alone: less than any image was learnt from.
_NO_GAIN = 0.99
# No training comes back from a loss this many times its first one.
_RUNAWAY = 1e6
# Far over the rise that a large rate causes in the first steps of a training which then works.
_RISEN = 5.0
# At the end of a training it is none that the first steps cause.
_RISEN_AT_LAST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """What a network reaches that knows how frequent the classes are and nothing of the images.

    Attributes:
        accuracy: In percent: the share of the most frequent class.
        largest_accuracy: In percent, up to which an accuracy on as many images is not told from it.
        loss: Cross entropy in nats: the entropy of the class shares, ln(classes) where all are equally frequent.
    """

    accuracy: float
    largest_accuracy: float
    loss: float

    def explains(self, evaluation: Evaluation) -> bool:
        """Whether guessing does as well: neither accuracy nor loss is better.

        Args:
            evaluation: On the images that the chance was computed for.

        Returns:
            False as well where all images are of one class, which tell nothing.
        """
        is_better = evaluation.accuracy > self.largest_accuracy or evaluation.loss < _NO_GAIN * self.loss
        return self.loss > 0 and not is_better

    def is_far_from(self, loss: float) -> bool:
        """Whether a loss is far worse than that of guessing: the network was ruined rather than not taught yet."""
        return not loss <= _RISEN * self.loss

    def words(self, evaluation: Evaluation) -> str:
        """The figures of a network at chance beside those of guessing."""
        return (
            f"the network is at chance: {evaluation.accuracy:.1f} % of {evaluation.num_images:,} held-out images "
            f"(guessing has {self.accuracy:.1f} %), loss {evaluation.loss:.3g} (guessing has {self.loss:.3g})"
        )


def chance(labels: Tensor) -> Chance:
    """What guessing reaches on images.

    Args:
        labels: `[N]`, int64, N >= 1.

    Returns:
        The chance.
    """
    shares = labels.bincount().double().cpu() / len(labels)
    most = float(shares.max())
    largest = most + _STANDARD_DEVIATIONS * math.sqrt(most * (1 - most) / len(labels))
    present = shares[shares > 0]
    return Chance(accuracy=100 * most, largest_accuracy=100 * largest, loss=float(-(present * present.log()).sum()))


@dataclass(slots=True, kw_only=True)
class LossCourse:
    """How the loss of a training went so far.

    Attributes:
        chance_loss: Cross entropy of guessing, in nats.
        first_loss: What was minimised at the first step; None before it.
        first_entropy: Cross entropy at the first step.
        largest_entropy: The largest cross entropy of all steps.
        last_entropy: That of the last one.
    """

    chance_loss: float
    first_loss: float | None = None
    first_entropy: float = 0.0
    largest_entropy: float = 0.0
    last_entropy: float = 0.0

    def observe(self, values: Mapping[str, float]) -> str | None:
        """Take in a step.

        Args:
            values: Its scalars: `loss`, and `cross_entropy` where that is only a part of it.

        Returns:
            What is wrong with them, in words; None for nothing.
        """
        loss = values["loss"]
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if self.first_loss is None:
            self.first_loss, self.first_entropy = loss, values.get("cross_entropy", loss)
        if loss > _RUNAWAY * max(self.first_loss, self.chance_loss):
            return f"the loss is {loss:.2g}, at the first step it was {self.first_loss:.2g}"
        self.last_entropy = values.get("cross_entropy", loss)
        self.largest_entropy = max(self.largest_entropy, self.last_entropy)
        return None

    @property
    def has_risen(self) -> bool:
        """Whether the cross entropy was or is far above its start, or started from a network that knew something."""
        start = max(self.first_entropy, self.chance_loss)
        is_high = self.largest_entropy > _RISEN * start or self.last_entropy > _RISEN_AT_LAST * start
        return is_high or (self.first_loss is not None and self.first_entropy < self.chance_loss / 2)
