"""Networks by name and from the user's own functions."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from studentsearch.errors import UsageError
from studentsearch.models.library import Sizes
from studentsearch.models.names import canonical_name, model_names
from studentsearch.models.registry import build_model, usual_sizes


@pytest.mark.parametrize("name", model_names())
def test_every_listed_name_builds_for_any_classes_and_channels(name: str) -> None:
    with torch.device("meta"):
        network = build_model(name, num_classes=5, in_channels=1)
        first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        assert first.in_channels == 1
        assert network.eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 5)


def test_usual_sizes() -> None:
    assert usual_sizes("resnet20") == Sizes(num_classes=10, in_channels=3, image_size=32)
    assert usual_sizes("densenet_digits") == Sizes(num_classes=10, in_channels=1, image_size=8)
    assert usual_sizes("torchvision:vgg11") == Sizes(num_classes=1000, in_channels=3, image_size=224)


def test_short_name_is_the_full_one() -> None:
    assert canonical_name("densenet") == "densenet100_12"
    assert canonical_name("densenet_digits") == "densenet_digits"


def test_sizes_in_a_name() -> None:
    network = build_model("densenet16_6", num_classes=4)
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 4)
    assert network.get_submodule("features.denseblock1.denselayer2.conv2").out_channels == 6


def test_unknown_name_shows_the_nearest_and_the_list() -> None:
    with pytest.raises(UsageError, match=r'unknown model "densnet"; nearest: densenet, .*model_names') as caught:
        build_model("densnet", num_classes=10)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"expected one such as densenet"):
        build_model("xyz", num_classes=10)


def test_names_of_other_families_and_libraries_are_near() -> None:
    with pytest.raises(UsageError, match=r'unknown model "resnet18"; nearest: resnet18_cifar, torchvision:resnet18, '):
        build_model("resnet18", num_classes=10)
    with pytest.raises(UsageError, match=r"nearest: torchvision:efficientnet_b0; "):
        build_model("efficientnet_b0", num_classes=10)


@pytest.mark.parametrize("name", ["densenet99_12", "densenet100_0"])
def test_impossible_sizes(name: str) -> None:
    with pytest.raises(UsageError, match=r"does not exist; expected"):
        build_model(name, num_classes=10)


OWN_FUNCTIONS = """
from torch import nn
SIZE = 3
def fixed(): return nn.Linear(2, 3)
def sized(num_classes): return nn.Linear(2, num_classes)
def free(**sizes): return nn.Linear(sizes["in_channels"], sizes["num_classes"])
def positional(width): return nn.Linear(2, width)
def number(): return 3
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_networks.py").write_text(OWN_FUNCTIONS)
    (tmp_path / "own_broken.py").write_text("def (")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    return "own_networks"


@pytest.mark.parametrize(("function", "shape"), [("fixed", (3, 2)), ("sized", (7, 2)), ("free", (7, 4))])
def test_own_function_is_found_and_given_what_it_takes(own_module: str, function: str, shape: tuple[int, int]) -> None:
    path_before = list(sys.path)
    network = build_model(f"python:{own_module}:{function}", num_classes=7, in_channels=4)
    assert network.get_parameter("weight").shape == shape
    assert sys.path == path_before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("python:own_networks", r"names no function; expected python:module:function"),
        ("python:own_networks:", r"names no function"),
        ("python:no_such_module:f", r"cannot import no_such_module \(ModuleNotFoundError: No module named"),
        ("python:own_broken:f", r"cannot import own_broken \(SyntaxError: "),
        ("python:own_networks:missing", r"own_networks has no missing"),
        ("python:own_networks:SIZE", r"has something else than a function as SIZE"),
        ("python:own_networks:positional", r"failed: TypeError: positional\(\) missing 1 required"),
        ("python:own_networks:number", r"gave a int; expected a torch\.nn\.Module"),
    ],
)
@pytest.mark.usefixtures("own_module")
def test_own_function_that_cannot_be_used(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_model(name, num_classes=7)
