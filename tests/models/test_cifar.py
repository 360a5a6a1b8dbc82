"""DenseNet-BC: the published sizes, torchvision's names, the shapes."""

import pytest
import torch
from safetensors.torch import save

from studentsearch.errors import UsageError
from studentsearch.models.cifar import densenet_bc, densenet_digits


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_published_number_of_parameters() -> None:
    assert num_parameters(densenet_bc(depth=100, growth=12, num_classes=10)) == 769_162


def test_names_are_torchvisions_and_the_stem_keeps_the_image() -> None:
    network = densenet_bc(depth=10, growth=4, num_classes=7, in_channels=2)
    names = [name for name, _ in network.get_submodule("features").named_children()]
    assert names == ["conv0", "denseblock1", "transition1", "denseblock2", "transition2", "denseblock3", "norm5"]
    assert "features.denseblock1.denselayer1.norm1.weight" in network.state_dict()
    stem = network.get_submodule("features.conv0")
    assert stem(torch.zeros(1, 2, 32, 32)).shape == (1, 8, 32, 32)
    assert network(torch.zeros(2, 2, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(("depth", "nearest"), [(99, 94), (4, 10), (1, 10)])
def test_impossible_depth_names_a_possible_one(depth: int, nearest: int) -> None:
    with pytest.raises(UsageError, match=rf"depth {depth} does not exist; expected 6 n \+ 4 layers, such as {nearest}"):
        densenet_bc(depth=depth, growth=12, num_classes=10)


def test_impossible_growth() -> None:
    with pytest.raises(UsageError, match=r"growth 0 does not exist; expected at least 1"):
        densenet_bc(depth=10, growth=0, num_classes=10)


def test_digits_network_is_small_enough_to_ship() -> None:
    network = densenet_digits()
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert len(save(network.state_dict())) < 500_000


def test_same_seed_same_weights() -> None:
    first, second = (torch.manual_seed(3) and densenet_digits().state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
