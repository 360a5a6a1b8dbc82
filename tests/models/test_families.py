"""The CIFAR families: published sizes, the shortcut of option A, strides that follow the image, the table in docs."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from studentsearch.errors import UsageError
from studentsearch.models.mobilenet import mobilenet, mobilenet_v2
from studentsearch.models.names import model_names
from studentsearch.models.registry import build_model
from studentsearch.models.resnet import PaddedShortcut, cifar_resnet, imagenet_resnet
from studentsearch.models.vgg import vgg

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "models.md"
ROW = re.compile(r"\| `([\w:]+)` \| (\d+)x(\d+)x(\d+) \| (\d+) \| ([\d,]+) \| ([\d,]+) \|")
ROWS = [
    (match[1], *(int(word.replace(",", "")) for word in match.groups()[1:]))
    for match in ROW.finditer(TABLE.read_text())
]


def num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def num_macs(network: nn.Module, *shape: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


# Each has a smaller one of its kind among the others.
LARGE = {"resnet56", "resnet110", "resnet50_cifar", "densenet100_12", "torchvision:mobilenet_v2"}


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=str(row[0]), marks=pytest.mark.slow if row[0] in LARGE else ()) for row in ROWS]
)
def test_the_table_in_docs_holds(row: tuple[str, int, int, int, int, int, int]) -> None:
    name, channels, height, width, num_classes, parameters, macs = row
    with torch.device("meta"):
        network = build_model(name, num_classes=num_classes, in_channels=channels, image_size=min(height, width))
        assert num_parameters(network) == parameters
        assert num_macs(network, channels, height, width) == macs


def test_the_table_in_docs_is_whole() -> None:
    assert {str(row[0]) for row in ROWS if ":" not in str(row[0])} == set(model_names()) - {"densenet"}


# He et al., table 6, in millions, for 10 classes; resnet8 by the same rule.
@pytest.mark.parametrize(("depth", "millions"), [(8, 0.08), (20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_published_parameters_of_cifar_resnets(depth: int, millions: float) -> None:
    with torch.device("meta"):
        network = cifar_resnet(depth=depth, num_classes=10)
    assert num_parameters(network) / 1e6 == pytest.approx(millions, abs=0.005)  # as rounded there


def test_weighted_layers_are_the_depth() -> None:
    network = cifar_resnet(depth=20, num_classes=10)
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules()) == 20


def test_option_a_keeps_every_second_position_between_zero_channels() -> None:
    features = torch.arange(2 * 2 * 4 * 4.0).view(2, 2, 4, 4)
    shortcut = PaddedShortcut(num_added=2, stride=2)(features)
    assert shortcut.shape == (2, 4, 2, 2)
    assert torch.equal(shortcut[:, 1:3], features[:, :, ::2, ::2])
    assert not shortcut[:, [0, 3]].any()


def test_option_b_projects_where_the_width_changes() -> None:
    network = build_model("resnet8_b", num_classes=10)
    assert num_parameters(network) == num_parameters(cifar_resnet(depth=8, num_classes=10)) + 16 * 32 + 32 * 64 + 192
    assert network.get_submodule("layer2.0.downsample.0").stride == (2, 2)
    assert network.get_submodule("layer1.0").downsample is None


@pytest.mark.parametrize(("depth", "nearest"), [(18, 14), (2, 8), (1, 8)])
def test_impossible_depth_names_a_possible_one(depth: int, nearest: int) -> None:
    with pytest.raises(UsageError, match=rf"depth {depth} does not exist; expected 6 n \+ 2 layers, such as {nearest}"):
        cifar_resnet(depth=depth, num_classes=10)


def test_the_small_stem_keeps_the_image() -> None:
    network = imagenet_resnet(depth=10, num_classes=10)
    stem = nn.Sequential(network.get_submodule("conv1"), network.get_submodule("maxpool"))
    assert stem(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 32, 32)


@pytest.mark.parametrize(("size", "width"), [(32, 32), (64, 96)])
def test_vgg_takes_multiples_of_32(size: int, width: int) -> None:
    with torch.device("meta"):
        assert vgg(depth=11, num_classes=10).eval()(torch.zeros(2, 3, size, width)).shape == (2, 10)


@pytest.mark.parametrize("build", [mobilenet, mobilenet_v2])
@pytest.mark.parametrize(("size", "stride"), [(28, 8), (32, 8), (64, 16), (128, 32)])
def test_halvings_follow_the_image(build: type[nn.Module], size: int, stride: int) -> None:
    with torch.device("meta"):
        features = build(num_classes=10, image_size=size).get_submodule("features")
        assert features(torch.zeros(1, 3, 128, 128)).shape[2:] == (128 // stride, 128 // stride)


def test_mobilenets_at_224_are_the_published_ones() -> None:
    with torch.device("meta"):
        first = mobilenet(num_classes=1000, image_size=224)
        assert num_macs(first, 3, 224, 224) == 568_740_352  # 569 million
        second = mobilenet_v2(num_classes=1000, image_size=224)
    assert num_parameters(first) == 4_231_976
    assert num_parameters(second) == 3_504_872


def test_a_step_moves_every_weight() -> None:
    torch.manual_seed(0)
    for name in ("resnet8", "vgg11", "mobilenetv2"):
        network = build_model(name, num_classes=3)
        network(torch.randn(2, 3, 32, 32)).sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
