"""The usual feature points of known networks, points by name, and matching."""

import re
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from nets import Case, Dense, Plain, random_gates, small_case
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import MobileNetV2

from studentsearch.errors import UnsupportedGraphError, UsageError
from studentsearch.graph.feature_points import FeaturePoint, feature_points, match_points
from studentsearch.graph.named_points import named_points
from studentsearch.graph.network import Network
from studentsearch.graph.trace import trace
from studentsearch.models.registry import build_model
from studentsearch.student.build import build_with_weights

# By hand: the stem's output, then the last map of each stage.
USUAL = {
    ("resnet8", 32): [
        *("relu (16x32x32)", "layer1.0.relu (16x32x32)", "layer2.0.relu (32x16x16)", "layer3.0.relu (64x8x8)"),
    ],
    ("resnet32", 32): [
        *("relu (16x32x32)", "layer1.4.relu (16x32x32)", "layer2.4.relu (32x16x16)", "layer3.4.relu (64x8x8)"),
    ],
    ("resnet50_cifar", 32): [
        *("relu (64x32x32)", "layer1.2.relu (256x32x32)", "layer2.3.relu (512x16x16)"),
        *("layer3.5.relu (1024x8x8)", "layer4.2.relu (2048x4x4)"),
    ],
    ("cl_vgg6", 32): [
        *("features.2 (64x32x32)", "features.2 (64x32x32)", "features.6 (128x16x16)"),
        *("features.10 (256x8x8)", "features.14 (512x4x4)", "features.18 (512x2x2)"),
    ],
    ("vgg11", 32): [
        *("features.2 (64x32x32)", "features.2 (64x32x32)", "features.6 (128x16x16)"),
        *("features.13 (256x8x8)", "features.20 (512x4x4)", "features.27 (512x2x2)"),
    ],
    ("densenet40_12", 32): [
        *("features.conv0 (24x32x32)", "features.transition1.conv (48x32x32)"),
        *("features.transition2.conv (60x16x16)", "relu (132x8x8)"),
    ],
    ("densenet_digits", 8): ["features.conv0 (16x8x8)", "features.transition1.conv (24x8x8)", "relu (56x4x4)"],
    ("mobilenetv2", 32): [
        *("features.0.2 (32x32x32)", "features.4.conv.0.2 (144x32x32)", "features.7.conv.0.2 (192x16x16)"),
        *("features.14.conv.0.2 (576x8x8)", "features.18.2 (1280x4x4)"),
    ],
    ("torchvision:resnet18", 224): [
        *("relu (64x112x112)", "relu (64x112x112)", "layer1.1.relu (64x56x56)", "layer2.1.relu (128x28x28)"),
        *("layer3.1.relu (256x14x14)", "layer4.1.relu (512x7x7)"),
    ],
    # The last stage is convolved down to one position, and then averaged.
    ("torchvision:resnet18", 32): [
        *("relu (64x16x16)", "relu (64x16x16)", "layer1.1.relu (64x8x8)", "layer2.1.relu (128x4x4)"),
        *("layer3.1.relu (256x2x2)", "layer4.1.relu (512x1x1)"),
    ],
    # Squeeze and excitation leads to 1x1 and back, and makes no point.
    ("torchvision:efficientnet_b0", 64): [
        *("features.0.2 (32x32x32)", "features.2.0.block.0.2 (96x32x32)", "features.3.0.block.0.2 (144x16x16)"),
        *("features.4.0.block.0.2 (240x8x8)", "features.6.0.block.0.2 (672x4x4)", "features.8.2 (1280x2x2)"),
    ],
}


@cache
def traced(name: str, size: int) -> Network:
    channels = 1 if name == "densenet_digits" else 3
    with torch.device("meta"):
        module = build_model(name, num_classes=10, in_channels=channels, image_size=size)
    return trace(module, (channels, size, size))


@pytest.mark.parametrize(("name", "size"), USUAL, ids=[f"{name}@{size}" for name, size in USUAL])
def test_the_usual_points(name: str, size: int) -> None:
    network = traced(name, size)
    points = feature_points(network)
    assert list(map(str, points)) == USUAL[name, size]
    assert named_points(network, [point.name for point in points]) == points
    assert named_points(network, [point.node for point in points]) == points


@pytest.mark.parametrize(
    ("teacher", "student", "size"), [("cl_vgg11", "cl_vgg6", 32), ("cl_mobilenet16", "cl_mobilenet9", 64)]
)
def test_the_pairs_of_the_publication_match(teacher: str, student: str, size: int) -> None:
    pairs = match_points(feature_points(traced(teacher, size)), feature_points(traced(student, size)))
    assert all(first.shape[1:] == second.shape[1:] for first, second in pairs)


class PoolsAtLast(nn.Module):
    """What follows the last convolution only averages, in two steps, with dropout before."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.drop = nn.Dropout2d(0.5)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return self.head(F.avg_pool2d(F.max_pool2d(x, 2), 2).flatten(1))


def test_pooling_before_the_head_is_no_stage_and_dropout_no_point() -> None:
    points = feature_points(trace(PoolsAtLast(), (3, 8, 8)))
    assert list(map(str, points)) == ["relu (4x8x8)", "relu (4x8x8)", "relu_1 (6x4x4)"]


def test_a_convolution_behind_the_averaging_is_no_stage() -> None:
    points = feature_points(trace(Plain(), Plain.input_shape))
    assert list(map(str, points)) == [
        *("layers.3 (6x10x10)", "layers.3 (6x10x10)", "layers.6 (7x5x5)", "layers.8 (5x2x2)"),
    ]


def test_networks_without_stages_are_refused() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"found feature maps of 8x8 alone .* name the points yourself, or"):
        feature_points(trace(Dense(), Dense.input_shape))
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))
    with pytest.raises(UnsupportedGraphError, match=r"found no feature maps \[C, H, W\] between image and output"):
        feature_points(trace(perceptron, (3, 2, 2)))


def nodes(network: Network, *names: str) -> list[str]:
    return [point.node for point in named_points(network, names)]


def test_layers_nodes_and_containers_by_name() -> None:
    resnet = traced("resnet32", 32)
    assert nodes(resnet, "conv1", "layer1", "layer2.1", "layer1.0.relu", "add_3") == [
        *("conv1", "layer1_4_relu_1", "layer2_1_relu_1", "layer1_0_relu_1", "add_3"),
    ]
    inverted = traced("mobilenetv2", 32)
    assert nodes(inverted, "features.3", "features.2", "features.18") == ["add", "features_2_conv_3", "features_18_2"]
    dense = traced("densenet_digits", 8)
    first = "features_denseblock1_denselayer1_conv2"
    assert nodes(dense, "features.denseblock1", "features.denseblock1.denselayer1") == ["cat_4", first]


def small_net(name: str) -> nn.Module:
    if name != "inverted":
        return build_model(name, num_classes=4, in_channels=1)
    blocks = [[1, 8, 1, 1], [2, 8, 2, 2], [2, 12, 2, 2]]
    network: nn.Module = MobileNetV2(num_classes=4, width_mult=0.25, round_nearest=2, inverted_residual_setting=blocks)
    network.get_submodule("features.0").register_module("0", nn.Conv2d(1, 8, 3, padding=1, bias=False))
    return network


@pytest.mark.parametrize("share_open", [0.9, 0.7])
@pytest.mark.parametrize(
    ("name", "containers"),
    [
        ("resnet8", ("layer1", "layer2.0", "layer3")),
        ("inverted", ("features.1", "features.3", "features.5")),
        ("densenet_digits", ("features.denseblock1", "features.transition1", "features.denseblock2")),
    ],
)
def test_a_student_has_the_points_of_its_teacher(name: str, containers: tuple[str, ...], share_open: float) -> None:
    case = Case(small_net(name), (1, 8, 8))
    cut = case.cut(random_gates(case.num_gates, share_open=share_open, seed=1))
    student = trace(build_with_weights(cut.spec, cut.tensors), case.shape)
    pairs = match_points(feature_points(case.network), feature_points(student))
    assert [first.name for first, _ in pairs] == [second.name for _, second in pairs]
    for first, second in zip(named_points(case.network, containers), named_points(student, containers), strict=True):
        # Sums and concatenations are numbered anew.
        assert re.sub(r"(_\d+)?$", "", first.node) == re.sub(r"(_\d+)?$", "", second.node)
        assert first.shape[1:] == second.shape[1:]
        assert second.shape[0] <= first.shape[0]


def test_in_a_student_a_shortcut_does_not_end_with_the_sum() -> None:
    case = Case(build_model("resnet8_b", num_classes=4), (3, 8, 8))
    cut = case.cut(torch.ones(case.num_gates, dtype=torch.float64))
    student = trace(build_with_weights(cut.spec, cut.tensors), case.shape)
    assert nodes(student, "layer2.0.downsample") == ["layer2_0_downsample_1"]


def test_unknown_names_show_the_nearest_and_the_usual_points() -> None:
    with pytest.raises(
        UsageError,
        match=r'unknown feature point "layer4"; nearest: layer\d, layer\d, layer\d; '
        r"the usual points are relu, layer1\.0\.relu, layer2\.0\.relu, layer3\.0\.relu$",
    ):
        named_points(traced("resnet8", 32), ["layer1", "layer4"])
    with pytest.raises(UsageError, match=r'"zzz"; nearest: none; this network has no usual points$'):
        named_points(trace(Dense(), Dense.input_shape), ["zzz"])


def test_vectors_are_no_points() -> None:
    with pytest.raises(
        UsageError, match=r"head gives 4 an image; expected a feature map of channels, height and width"
    ):
        named_points(small_case(Plain).network, ["head"])


def test_unequal_numbers_list_both_sides() -> None:
    first = FeaturePoint(name="conv1", node="conv1", shape=(16, 32, 32))
    second = FeaturePoint(name="layer1", node="relu_3", shape=(16, 32, 32))
    assert match_points([first, second], [first, first]) == ((first, first), (second, first))
    with pytest.raises(
        UsageError,
        match=r"the teacher has 2 feature points: conv1 \(16x32x32\), layer1 \(16x32x32\); the student has 1: "
        r"conv1 \(16x32x32\); expected as many .* --points A,B,\.\.\., and the teacher's with --teacher-points",
    ):
        match_points([first, second], [first])
