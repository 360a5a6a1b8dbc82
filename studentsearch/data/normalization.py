"""What is taken off each channel and what it is divided by, as facts and as words; nothing here needs torch."""

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


def given_normalization(mean: str | None, std: str | None) -> Normalization | None:
    """The normalization that a user gave, if any.

    Args:
        mean: As for `parse_normalization`.
        std: Likewise.

    Returns:
        The normalization; None where neither is given.

    Raises:
        UsageError: If only one of both is given.
    """
    if (mean is None) != (std is None):
        raise UsageError("found only one of --mean and --std; give both or neither")
    return None if mean is None or std is None else parse_normalization(mean, std)


def parse_normalization(mean: str, std: str) -> Normalization:
    """The normalization that a user's figures mean.

    Args:
        mean: Figures with commas, "0.49,0.48,0.44".
        std: As many figures.

    Returns:
        The normalization.

    Raises:
        UsageError: If a figure is no number, out of range, or their numbers differ.
    """
    return Normalization(mean=_figures(mean, "mean"), std=_figures(std, "standard deviation"))


def _figures(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(figure) for figure in text.split(","))
    except ValueError as error:
        raise UsageError(f"{name} {text!r}: expected one number a channel with commas, as in 0.49,0.48,0.44") from error
