"""What is taken off each channel of an image, and what the channel is divided by."""

from __future__ import annotations

from dataclasses import dataclass

from studentsearch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalization:
    """What is taken off each channel and what it is then divided by, for pixels in 0..1.

    Attributes:
        mean: One figure a channel, in 0..1.
        std: One figure a channel, above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise UsageError(
                f"{len(self.mean)} means and {len(self.std)} standard deviations: expected one of each a channel"
            )
        if not all(0 <= mean <= 1 for mean in self.mean) or not all(0 < std <= 1 for std in self.std):
            raise UsageError(
                f"mean {self.mean} and standard deviation {self.std}: expected figures for pixels in 0..1, "
                f"standard deviations above 0; divide figures for 0..255 by 255"
            )
