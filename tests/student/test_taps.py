"""Tapped networks answer as the plain ones do, bit for bit, and are made of the same tensors."""

import copy

import pytest
import torch
from nets import SMALL_NETS, Case, Dense, Residual, random_gates, small_case
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.feature_points import feature_points
from studentsearch.graph.named_points import named_points
from studentsearch.graph.trace import trace
from studentsearch.models.registry import build_model
from studentsearch.student.build import build_with_weights
from studentsearch.student.plain import PlainNetwork, plain_network
from studentsearch.student.taps import tapped

SHAPE = (3, 16, 16)


def plain(name: str) -> PlainNetwork:
    torch.manual_seed(0)
    return plain_network(build_model(name, num_classes=4), SHAPE)


def image_batch(shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))


def test_answers_and_maps_are_the_networks_own_bit_for_bit() -> None:
    net = plain("resnet8")
    points = feature_points(net.network)
    observed = tapped(net.module, net.network, [point.node for point in points])
    seen: dict[str, Tensor] = {}
    net.module.get_submodule("layer2.0.relu").register_forward_hook(
        lambda _module, _inputs, output: seen.update(last=output.clone())
    )
    expected = net.module(image_batch())
    logits, maps = observed(image_batch())
    assert torch.equal(logits, expected)
    assert [tuple(item.shape[1:]) for item in maps] == [point.shape for point in points]
    assert torch.equal(maps[2], seen["last"])


def test_a_node_may_come_twice_and_in_any_order() -> None:
    net = plain("resnet8")
    _, (late, early, again) = tapped(net.module, net.network, ["layer3_0_relu_1", "conv1", "conv1"])(image_batch())
    assert early is again
    assert (late.shape[1], early.shape[1]) == (64, 16)
    assert torch.equal(early, net.module.get_submodule("conv1")(image_batch()))


@pytest.mark.parametrize("net", SMALL_NETS, ids=lambda net: net.__name__)
def test_every_node_of_a_student_can_be_tapped(net: type[nn.Module]) -> None:
    case = small_case(net)
    cut = case.cut(random_gates(case.num_gates, share_open=0.7, seed=3))
    student = build_with_weights(cut.spec, cut.tensors)
    written = plain_network(student, case.shape)  # as a student folder is opened as a teacher
    for module, network in ((student, trace(student, case.shape)), (written.module, written.network)):
        names = [node.name for node in network.nodes[:-1]]
        logits, maps = tapped(module, network, names)(case.images)
        assert torch.equal(logits, student(case.images))
        for node, item in zip(network.nodes, maps, strict=False):
            assert item.shape[-len(node.shape) :] == node.shape


def test_shuffles_and_functional_calls_are_followed() -> None:
    module = build_model("torchvision:shufflenet_v2_x0_5", num_classes=4, image_size=64)
    net = plain_network(module, (3, 64, 64))
    points = named_points(net.network, ["conv1", "stage2", "stage3"])
    logits, maps = tapped(net.module, net.network, [point.node for point in points])(image_batch((3, 64, 64)))
    assert torch.equal(logits, net.module(image_batch((3, 64, 64))))
    assert [tuple(item.shape[1:]) for item in maps] == [point.shape for point in points]


def test_training_one_trains_the_other() -> None:
    net = plain("resnet8")
    before = copy.deepcopy(net.module.state_dict())
    observed = tapped(net.module, net.network, ["relu"])
    assert observed.state_dict().keys() == before.keys()
    assert {id(item) for item in observed.parameters()} == {id(item) for item in net.module.parameters()}
    net.module.train()
    logits, (stem,) = observed(image_batch())
    (logits.sum() + stem.sum()).backward()
    assert all(parameter.grad is not None for parameter in net.module.parameters())
    after = net.module.state_dict()
    assert after.keys() == before.keys()
    assert not torch.equal(after["bn1.running_mean"], before["bn1.running_mean"])
    net.module.eval()
    assert not any(layer.training for layer in observed.modules() if layer is not observed)


def test_gradients_are_those_of_the_network() -> None:
    net = plain("resnet8")
    other = copy.deepcopy(net.module)
    tapped(net.module, net.network, ["relu", "layer1_0_relu_1"])(image_batch())[0].square().sum().backward()
    other(image_batch()).square().sum().backward()
    for mine, expected in zip(net.module.parameters(), other.parameters(), strict=True):
        assert mine.grad is not None
        assert torch.equal(mine.grad, expected.grad)


class Buffered(nn.Module):
    """Parameters and buffers outside layers, at the root and below."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.register_buffer("offset", torch.linspace(0, 1, 4).view(4, 1, 1))
        self.scale = nn.Parameter(torch.linspace(1, 2, 4).view(4, 1, 1))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(((self.conv(x) + self.offset) * self.scale).mean((2, 3)))


def test_tensors_outside_layers_move_with_the_network() -> None:
    net = plain_network(Buffered(), SHAPE)
    observed = tapped(net.module, net.network, ["conv"])
    net.module.double()
    logits, _ = observed(image_batch().double())
    assert torch.equal(logits, net.module(image_batch().double()))
    assert observed.get_buffer("offset") is net.module.get_buffer("offset")


class InPlace(nn.Module):
    """Activations that overwrite what they read, as a layer, as a function and as a method."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        x = nn.functional.leaky_relu(self.conv2(x), 0.1, inplace=True)
        return self.head(x.relu_().mean((2, 3)))


@pytest.mark.parametrize("build", [InPlace, lambda: build_model("resnet8", num_classes=3)])
def test_plain_networks_and_students_overwrite_nothing(build: type[nn.Module]) -> None:
    case = Case(build(), SHAPE)
    net = plain_network(case.module, SHAPE)
    cut = case.cut(random_gates(case.num_gates, share_open=0.8, seed=0))
    for module in (net.module, build_with_weights(cut.spec, cut.tensors)):
        assert not any(getattr(layer, "inplace", False) for layer in module.modules())
    convolutions = [node for node in net.network.nodes if node.operation.kind == "Conv2d"]
    _, maps = tapped(net.module, net.network, [node.name for node in convolutions])(case.images)
    assert all((item < 0).any() for item in maps)  # what no ReLU has overwritten


def test_a_network_that_is_not_the_modules_is_refused() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"stem: the module has no layer Conv2d there, the trace has"):
        tapped(nn.Module(), trace(Residual(), Residual.input_shape), [])
    with pytest.raises(UnsupportedGraphError, match=r"norm3: the module has no layer BatchNorm2d there"):
        tapped(Residual(), trace(Dense(), Dense.input_shape), [])
