"""What one image costs in every convention, and what the check of a cut measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from msgspec import Meta

from studentsearch.records.bounds import Amount, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The cost of one image.

    Attributes:
        macs: Multiply-accumulates of convolutions and linear layers; the budget's unit.
        paper: `macs`, 2 per BatchNorm element and 1 per element that a pooling writes (Gu and Tresp 2020).
        thop: What thop reports by default.
        flops: What torch's FlopCounterMode reports: 2 per multiply-accumulate.
        parameters: Trainable numbers.
    """

    macs: Amount
    paper: Amount
    thop: Amount
    flops: Amount
    parameters: Amount

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutCheck:
    """What the check of a cut student measured.

    Attributes:
        difference: Largest difference of a logit, relative to the largest logit, in float64.
        counted_macs: Our count.
        counter: Who counted the exported module: `thop`, or `torch` (half of FlopCounterMode's figure) where it has
            operations that thop cannot count.
        independent_macs: That count.
    """

    difference: Annotated[float, Meta(ge=0)]
    counted_macs: Amount
    counter: Text
    independent_macs: Amount
