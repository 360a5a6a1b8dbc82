"""How a student is usually trained; nothing here needs torch."""

from __future__ import annotations

from typing import Literal

from studentsearch.records.recipe import TrainingRecipe


def default_training_recipe(init: Literal["scratch", "inherit"]) -> TrainingRecipe:
    """How a student is usually trained: as published from scratch, briefly and gently from inherited weights.

    Args:
        init: Where training starts.

    Returns:
        The recipe.
    """
    if init == "scratch":
        return TrainingRecipe()
    return TrainingRecipe(epochs=10, batch=64, rate=0.02, schedule="cosine", warmup=0.05)
