"""The training options of `teach` and `distill` as one recipe."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from studentsearch.cli.options import given
from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from studentsearch.jobs.training import TrainingRecipe


def training_recipe(
    base: "TrainingRecipe",
    *,
    epochs: int | None,
    steps: int | None,
    batch: int | None,
    rate: float | None,
    schedule: Literal["cosine", "milestones", "constant"] | None,
    milestones: str | None,
    warmup: float | None,
    weight_decay: float | None,
) -> "TrainingRecipe":
    """A recipe with what the user chose in its place; None keeps the base's.

    Args:
        base: What holds where nothing was chosen.
        epochs: Passes over the training images.
        steps: Steps in all, instead of epochs.
        batch: Images a step.
        rate: Learning rate after warm-up.
        schedule: How the rate falls.
        milestones: Epochs or shares, as the user typed them.
        warmup: A share of all steps.
        weight_decay: On all parameters.

    Returns:
        The recipe.
    """
    length = given(epochs, base.epochs)
    points = None if milestones is None else parse_milestones(milestones, epochs=length, has_steps=steps is not None)
    return replace(
        base,
        epochs=length,
        steps=given(steps, base.steps),
        batch=given(batch, base.batch),
        rate=given(rate, base.rate),
        schedule=given(schedule, base.schedule),
        milestones=given(points, base.milestones),
        warmup=given(warmup, base.warmup),
        weight_decay=given(weight_decay, base.weight_decay),
    )


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
