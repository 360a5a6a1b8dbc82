from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from nets import SMALL_NETS, Plain
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.channels import channel_origins, norm_followed
from studentsearch.graph.stages import block_names
from studentsearch.graph.trace import trace
from studentsearch.models.cifar import densenet_bc
from studentsearch.student.plain import plain_network


class Around(nn.Module):
    """A convolution, then any function of its output."""

    def __init__(self, function: Callable[[Tensor], object], layer: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.layer = layer
        self.function = function

    def forward(self, x: Tensor) -> object:
        x = self.conv(x)
        return self.function(x if self.layer is None else self.layer(x))


@pytest.mark.parametrize("net", SMALL_NETS, ids=lambda net: net.__name__)
def test_shapes_are_those_of_a_forward_pass(net: type[nn.Module]) -> None:
    module = net().eval()
    network = trace(module, net.input_shape)
    logits = module(torch.zeros(1, *net.input_shape))
    assert network.input_shape == net.input_shape
    assert network.nodes[-1].shape == logits.shape[1:]
    assert network.num_outputs == logits.shape[1]
    assert [node.index for node in network.nodes] == list(range(len(network.nodes)))
    assert all(source < node.index for node in network.nodes for source in node.inputs)


def test_one_sum_written_five_ways_is_one_kind() -> None:
    ways = (
        lambda x: x + x,
        lambda x: x.add(x),
        lambda x: x.add_(x),
        lambda x: torch.add(x, x),
        lambda x: F.relu(x) + x,
    )
    assert {trace(Around(way), (3, 8, 8)).nodes[-2].operation.kind for way in ways} == {"Add"}


def test_users_are_the_nodes_that_read() -> None:
    network = trace(SMALL_NETS[3](), (3, 6, 6))
    users = network.users()
    for node in network.nodes:
        assert all(node.index in users[source] for source in node.inputs)
    assert users[-1] == ()


def test_an_unknown_layer_is_named_with_its_path() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"^layer.1: the operation Fold has no rule .* --skip"):
        trace(Around(lambda x: x.flatten(2), nn.Sequential(nn.Flatten(2), nn.Fold((6, 6), 1))), (3, 8, 8))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: torch.cumsum(x, 1), r"^cumsum: the operation torch.cumsum has no rule .* --skip \"cumsum\""),
        (lambda x: x if x.sum() > 0 else x.relu(), r"test_trace\.py:\d+.*control flow"),
    ],
    ids=["operation", "control flow"],
)
def test_what_no_rule_follows_is_refused(function: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(UnsupportedGraphError, match=message):
        trace(Around(function), (3, 8, 8))


def test_images_that_the_network_cannot_take_are_named() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"^Plain: cannot take an image of shape \(1, 10, 10\)"):
        trace(Plain(), (1, 10, 10))


def test_a_split_of_positions_holds_for_other_sizes() -> None:
    class SpaceToDepth(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            batch, channels, height, width = (x := self.conv(x)).shape
            x = x.view(batch, channels, height // 2, 2, width // 2, 2)
            return x.permute(0, 3, 5, 1, 2, 4).reshape(batch, channels * 4, height // 2, width // 2)

    module = SpaceToDepth().eval()
    plain = plain_network(module, (3, 8, 8)).module
    with torch.no_grad():
        for size in (8, 12):
            images = torch.randn(2, 3, size, size)
            assert torch.equal(plain(images), module(images))


def test_channels_come_from_their_producers() -> None:
    network = trace(SMALL_NETS[2](), (3, 8, 8))
    paths = {node.index: node.path for node in network.nodes}
    head = next(node for node in network.nodes if node.path == "head")
    origins = channel_origins(network)[head.inputs[0]]
    assert [paths[index] for index in origins.producers.tolist()] == ["stem"] * 6 + ["conv1"] * 4 + ["conv2"] * 4
    assert origins.channels.tolist() == [*range(6), *range(4), *range(4)]


@pytest.mark.parametrize(
    ("net", "paths"),
    [
        (SMALL_NETS[0], {"layers.0", "layers.4"}),
        (SMALL_NETS[1], {"stem", "conv1", "conv2"}),
        (SMALL_NETS[2], {"stem", "conv1", "conv2"}),
        (SMALL_NETS[3], {"stem"}),
        (SMALL_NETS[4], {"layers.0"}),
        (SMALL_NETS[5], {"hidden"}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_readers_behind_which_a_norm_stands(net: type[nn.Module], paths: set[str]) -> None:
    network = trace(net(), net.input_shape)
    assert {network.nodes[index].path for index in norm_followed(network)} == paths


def test_blocks_of_a_densenet() -> None:
    network = trace(densenet_bc(depth=10, growth=4, num_classes=5), (3, 8, 8))
    names = list(dict.fromkeys(block_names(network).values()))
    assert names == [
        "conv0",
        "denseblock1",
        "transition1",
        "denseblock2",
        "transition2",
        "denseblock3",
        "classifier",
    ]
