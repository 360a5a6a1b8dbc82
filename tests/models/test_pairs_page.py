"""docs/reference/pairs.md holds: the networks' figures, the savings that follow, and the printed ones near them."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from studentsearch.models.registry import build_model, usual_sizes

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "pairs.md").read_text()
NETWORK = re.compile(
    r"\| `(\w+)` \| (\d+)x(\d+)x(\d+) \| (\d+) \| ([\d,]+) \| ([\d,]+) "
    r"\| `studentsearch count (\w+)( --classes 100)?` \|"
)
NETWORKS = {match[1]: match for match in NETWORK.finditer(PAGE)}
PAIR = re.compile(r"\| `(\w+)` \| `(\w+)` \| (?:`(\w+)` )?\| `(\w+)` \| `([\w-]+)` \| .* \|")
PAIRS = {match[1]: match for match in PAIR.finditer(PAGE)}
SAVING = re.compile(r"\| `(\w+)` \| (parameters|computation) \| ([\d.]+)x, ([\d.]+) % \| (.*?) ?\| (.*?) ?\|")
SAVINGS = [match.groups() for match in SAVING.finditer(PAGE)]


def figure(name: str, of: str) -> int:
    return int(NETWORKS[name][6 if of == "parameters" else 7].replace(",", ""))


def ratio(pair: str, of: str) -> float:
    return figure(PAIRS[pair][2], of) / figure(PAIRS[pair][4], of)


def printed_ratios(pair: str, of: str) -> list[float]:
    """Ratios, and shares as the ratios that they mean."""
    found: list[float] = []
    for name, quantity, _, _, *printed in SAVINGS:
        if (name, quantity) == (pair, of):
            found += [float(text.split("x")[0]) for text in printed if re.match(r"[\d.]+x", text)]
            found += [1 / (1 - float(text.split(" %")[0]) / 100) for text in printed if re.match(r"[\d.]+ %", text)]
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_these_figures_and_the_commands_count_them(name: str) -> None:
    _, channels, height, width, num_classes, _, _, counted, classes = NETWORKS[name].groups()
    usual = usual_sizes(name)
    assert counted == name
    assert int(num_classes) == (100 if classes else usual.num_classes)
    assert (int(channels), int(height), int(width)) == (usual.in_channels, usual.image_size, usual.image_size)
    with torch.device("meta"):
        network = build_model(name, num_classes=int(num_classes), image_size=int(height)).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, int(channels), int(height), int(width)))
    assert sum(parameter.numel() for parameter in network.parameters()) == figure(name, "parameters")
    assert counter.get_total_flops() // 2 == figure(name, "computation")


def test_every_pair_has_its_networks_and_both_savings() -> None:
    named = {name for match in PAIRS.values() for name in (match[2], match[3], match[4]) if name}
    assert named == set(NETWORKS)
    assert [(name, of) for name, of, *_ in SAVINGS] == [(n, of) for n in PAIRS for of in ("parameters", "computation")]


@pytest.mark.parametrize(("pair", "of", "times", "percent"), [row[:4] for row in SAVINGS])
def test_savings_follow_from_the_figures(pair: str, of: str, times: str, percent: str) -> None:
    assert times == f"{ratio(pair, of):.2f}"
    assert percent == f"{100 - 100 / ratio(pair, of):.1f}"


@pytest.mark.parametrize("of", ["parameters", "computation"])
@pytest.mark.parametrize(("pair", "bound"), [("vgg11_6", 0.15), ("resnet32_8", 0.15), ("mobilenet16_9", 0.01)])
def test_a_printed_ratio_is_near(pair: str, bound: float, of: str) -> None:
    assert min(abs(ratio(pair, of) / printed - 1) for printed in printed_ratios(pair, of)) <= bound


@pytest.mark.parametrize("text", re.findall(r"[\d.]+x \([\d.]+ %\)|[\d.]+ % \([\d.]+x\)", PAGE))
def test_brackets_hold_the_same_figure_in_the_other_form(text: str) -> None:
    first, second = (float(number) for number in re.findall(r"[\d.]+", text))
    if "x (" in text:
        assert second == pytest.approx(100 - 100 / first, abs=0.051)  # printed with one decimal
    else:
        assert second == pytest.approx(1 / (1 - first / 100), abs=0.0051)  # printed with two decimals


def layers(network: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(layer, kind) for layer in network.modules())


@pytest.mark.parametrize(("name", "convolutions"), [("cl_vgg11", 10), ("cl_vgg6", 5)])
def test_vggs_have_the_layers_in_their_names(name: str, convolutions: int) -> None:
    with torch.device("meta"):
        network = build_model(name, num_classes=100)
    assert layers(network, nn.Conv2d) == layers(network, nn.BatchNorm2d) == layers(network, nn.ReLU) == convolutions
    assert layers(network, nn.Linear) == 1


@pytest.mark.parametrize(("name", "blocks"), [("cl_mobilenet16", 14), ("cl_mobilenet9", 7)])
def test_mobilenets_have_the_blocks_in_their_names(name: str, blocks: int) -> None:
    with torch.device("meta"):
        network = build_model(name, num_classes=1000, image_size=64)
        features = network.get_submodule("features")
        assert features(torch.zeros(1, 3, 64, 64)).shape == (1, 1024, 8, 8)
    assert (layers(network, nn.Conv2d), layers(network, nn.Linear)) == (1 + 2 * blocks, 1)
