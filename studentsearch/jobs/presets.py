"""Published pairs of teacher and student, and published recipes, by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from studentsearch.errors import UsageError
from studentsearch.jobs.method_options import MethodOptions
from studentsearch.records.recipe import TrainingRecipe

_CROSS_LAYER = "Chou, Chiu and Liao, APSIPA Transactions on Signal and Information Processing 10, 2021, e18"
_PUBLISHED = MethodOptions(name="cross_layer", clipping="printed")
_SEARCH = "Gu and Tresp, Search for Better Students to Learn Distilled Knowledge, 2020"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How networks of a publication are trained.

    Attributes:
        name: How a user writes it.
        training: Epochs, batch, rates.
        augment: How images are varied, as `--augment` says it; None means what is usual for the data.
        source: The publication, and what of the recipe is not its own.
    """

    name: str
    training: TrainingRecipe
    augment: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A teacher and a student of a publication.

    Attributes:
        name: How a user writes it.
        teacher: Model name.
        student: Model name.
        via: Model name of the temporal network that learns from the teacher and teaches the student; None for none.
        recipe: Name of the recipe.
        data: Name of the data; `imagenet64` still needs the user's path.
        source: The publication.
        method: The loss.
    """

    name: str
    teacher: str
    student: str
    via: str | None
    recipe: str
    data: str
    source: str
    method: MethodOptions = _PUBLISHED


# A quarter of the epochs at each rate: 0.01, 0.001, 0.0001, 0.00001.
_CIFAR = TrainingRecipe(
    epochs=200,
    batch=128,
    rate=0.01,
    schedule="milestones",
    milestones=(0.25, 0.5, 0.75),
    momentum=0.9,
    weight_decay=1e-4,
)
_VARIED = "shift:4+rotate:15+flip"
_OURS = "the amounts of shift and rotation, which it does not print, are ours"
_RECIPES = (
    Recipe(name="cross-layer", training=_CIFAR, augment=_VARIED, source=f"{_CROSS_LAYER}; {_OURS}"),
    Recipe(
        name="cross-layer-resnet50",
        training=replace(_CIFAR, batch=64),
        augment=_VARIED,
        source=f"{_CROSS_LAYER}; {_OURS}",
    ),
    Recipe(
        name="cross-layer-imagenet64",
        training=replace(_CIFAR, batch=64, epochs=40),
        augment=_VARIED,
        source=f"{_CROSS_LAYER}; {_OURS}",
    ),
    Recipe(
        name="search",
        training=TrainingRecipe(
            epochs=300,
            batch=128,
            rate=0.1,
            schedule="milestones",
            milestones=(0.5, 0.75),
            momentum=0.9,
            weight_decay=1e-4,
        ),
        augment=None,
        source=f"{_SEARCH}; the second milestone is epoch 225, where it prints 255",
    ),
)


def _pair(name: str, teacher: str, student: str, recipe: str, *, via: str | None = None) -> Pair:
    data = "imagenet64" if recipe == "cross-layer-imagenet64" else "cifar100"
    return Pair(name=name, teacher=teacher, student=student, via=via, recipe=recipe, data=data, source=_CROSS_LAYER)


_PAIRS = (
    _pair("vgg11_6", "cl_vgg11", "cl_vgg6", "cross-layer"),
    _pair("resnet32_8", "resnet32", "resnet8", "cross-layer"),
    _pair("mobilenet16_9", "cl_mobilenet16", "cl_mobilenet9", "cross-layer-imagenet64"),
    _pair("resnet50_10", "resnet50_cifar", "resnet10_cifar", "cross-layer-resnet50", via="resnet18_cifar"),
    _pair("resnet50_18", "resnet50_cifar", "resnet18_cifar", "cross-layer-resnet50"),
    _pair("resnet18_10", "resnet18_cifar", "resnet10_cifar", "cross-layer"),
)

_Named = TypeVar("_Named", Pair, Recipe)


def pairs() -> tuple[Pair, ...]:
    """All pairs, in the order of the publication."""
    return _PAIRS


def recipes() -> tuple[Recipe, ...]:
    """All recipes."""
    return _RECIPES


def pair(name: str) -> Pair:
    """The pair of a name.

    Args:
        name: Such as `resnet32_8`.

    Returns:
        The pair.

    Raises:
        UsageError: No such pair.
    """
    return _named("pair", name, _PAIRS)


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Args:
        name: Such as `cross-layer`.

    Returns:
        The recipe.

    Raises:
        UsageError: No such recipe.
    """
    return _named("recipe", name, _RECIPES)


def usual_recipe(*names: str | None) -> Recipe | None:
    """The recipe of the first name that is given.

    Args:
        names: Names of recipes, None where there is none.

    Returns:
        The recipe; None where none is named.
    """
    given = next((name for name in names if name is not None), None)
    return None if given is None else recipe(given)


def _named(kind: str, name: str, known: Sequence[_Named]) -> _Named:
    """The pair or recipe of a name, or the word that there is none."""
    by_name = {found.name: found for found in known}
    if name not in by_name:
        near = difflib.get_close_matches(name, by_name, n=2, cutoff=0.5)
        hint = f"nearest: {', '.join(near)}; " if near else ""
        raise UsageError(f'unknown {kind} "{name}"; {hint}expected one of {", ".join(by_name)}')
    return by_name[name]
