"""Warm-up of a knowledge term: its weight grows with the epochs, as DKD's authors train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from studentsearch.engine.objective import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """A weight that grows along a line and then stays; it ends at whichever of both lengths comes first.

    Attributes:
        epochs: Epochs after which the term has its whole weight, >= 1.
        share: Share of the training after which it has so in any case, in (0, 1]: short trainings see it, too.
    """

    epochs: int
    share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            UsageError: Fewer than 1 epoch, or a share outside (0, 1].
        """
        if self.epochs < 1 or not 0 < self.share <= 1:
            raise UsageError(
                f"found a warm-up of {self.epochs} epochs and share {self.share}; expected 1 epoch or more and a share "
                "above 0, 1 at most; DKD's authors take 20 epochs of 240"
            )

    def factor(self, moment: Moment) -> float:
        """What the term's weight is multiplied by.

        Args:
            moment: Where the training stands.

        Returns:
            min(1, max((epoch + 1) / epochs, share passed / share)): 1 / epochs throughout the first epoch, as in the
            authors' code, which counts epochs from 1.
        """
        return min(1.0, max((moment.epoch + 1) / self.epochs, moment.share / self.share))
