import re
from pathlib import Path

import pytest

from studentsearch.data.augmentation import Augmentation, parse_augmentation
from studentsearch.engine.schedule import Schedule
from studentsearch.errors import UsageError
from studentsearch.jobs.presets import Recipe, pair, pairs, recipe, recipes
from studentsearch.models.names import model_names

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "pairs.md").read_text()


@pytest.mark.parametrize("name", [found.name for found in pairs()])
def test_pairs_are_made_of_known_networks_and_recipes(name: str) -> None:
    found = pair(name)
    assert {found.teacher, found.student, found.via or found.teacher} <= set(model_names())
    assert recipe(found.recipe) in recipes()
    assert found.data == ("imagenet64" if "mobilenet" in name else "cifar100")


def test_the_pairs() -> None:
    assert [found.name for found in pairs()] == [
        *("vgg11_6", "resnet32_8", "mobilenet16_9", "resnet50_10", "resnet50_18", "resnet18_10"),
    ]
    assert [found.via for found in pairs()] == [None, None, None, "resnet18_cifar", None, None]
    assert (pair("vgg11_6").teacher, pair("vgg11_6").student) == ("cl_vgg11", "cl_vgg6")


def test_docs_show_the_pairs_and_recipes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (?:`(\w+)` )?\| `(\w+)` \| `([\w-]+)` \|", PAGE, re.MULTILINE)
    assert rows == [(found.name, found.teacher, found.via or "", found.student, found.recipe) for found in pairs()]
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) \| (\d+) \| ([\d.]+),", PAGE, re.MULTILINE)
    facts = [(found.name, found.training.epochs, found.training.batch, found.training.rate) for found in recipes()]
    assert rows == [tuple(map(str, fact)) for fact in facts]


def rates(found: Recipe) -> list[float]:
    training = found.training
    schedule = Schedule(
        kind=training.schedule,
        rate=training.rate,
        total_steps=training.epochs,
        milestones=tuple(round(share * training.epochs) for share in training.milestones),
        warmup_steps=0,
    )
    return [schedule.rate_at(epoch) for epoch in range(training.epochs)]


@pytest.mark.parametrize(
    ("name", "batch", "epochs", "every"),
    [("cross-layer", 128, 200, 50), ("cross-layer-resnet50", 64, 200, 50), ("cross-layer-imagenet64", 64, 40, 10)],
)
def test_the_cross_layer_recipes_are_the_printed_ones(name: str, batch: int, epochs: int, every: int) -> None:
    training = recipe(name).training
    assert (training.batch, training.epochs, training.momentum, training.weight_decay) == (batch, epochs, 0.9, 1e-4)
    expected = [0.01 * 0.1 ** (epoch // every) for epoch in range(epochs)]
    assert rates(recipe(name)) == pytest.approx(expected)
    words = recipe(name).augment
    assert parse_augmentation(words, Augmentation()) == Augmentation(shift=4, rotate=15, flip=True)


def test_the_search_recipe_is_the_printed_one() -> None:
    training = recipe("search").training
    assert (training.batch, training.epochs, training.momentum, training.weight_decay) == (128, 300, 0.9, 1e-4)
    expected = [0.1] * 150 + [0.01] * 75 + [0.001] * 75
    assert rates(recipe("search")) == pytest.approx(expected)
    assert recipe("search").augment is None


def test_unknown_names_show_the_nearest() -> None:
    with pytest.raises(UsageError, match=r'unknown pair "vgg11-6"; nearest: vgg11_6; expected one of vgg11_6, res'):
        pair("vgg11-6")
    with pytest.raises(UsageError, match=r'unknown recipe "cross-layers"; nearest: cross-layer, .*, search$'):
        recipe("cross-layers")
    with pytest.raises(UsageError, match=r'unknown recipe "xyz"; expected one of cross-layer, '):
        recipe("xyz")
