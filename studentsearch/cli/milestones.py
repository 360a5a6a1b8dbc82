"""Milestones as a user types them."""

from studentsearch.errors import UsageError


def parse_milestones(text: str, *, epochs: int, has_steps: bool) -> tuple[float, ...]:
    """Milestones as shares of the training.

    Args:
        text: `0.5,0.75` (shares) or `150,225` (epochs).
        epochs: Epochs of the training.
        has_steps: Whether its length is given in steps, so that epochs mean nothing.

    Returns:
        Shares.

    Raises:
        UsageError: No numbers, shares mixed with epochs, or epochs that the training does not have.
    """
    try:
        numbers = tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"milestones {text!r} are no numbers; expected epochs (150,225) or shares (0.5,0.75)"
        ) from error
    if all(0 < number < 1 for number in numbers):
        return numbers
    if has_steps or not all(1 <= number < epochs for number in numbers):
        length = "a training given in steps" if has_steps else f"{epochs} epochs"
        raise UsageError(f"found milestones {text} for {length}; expected epochs within it, or shares such as 0.5,0.75")
    return tuple(number / epochs for number in numbers)
