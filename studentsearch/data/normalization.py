"""The normalization that a user's words mean; nothing here needs torch."""

from studentsearch.errors import UsageError
from studentsearch.records.normalization import Normalization


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
