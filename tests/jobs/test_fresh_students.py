"""A found student with fresh weights: what stands outside its layers has values with which it can learn."""

from pathlib import Path

import pytest
import torch
from campaigns.hostile_folders import write_good
from torch import Tensor, nn

from studentsearch.jobs.students import open_found_student


class Masked(nn.Module):
    """A network with constants and a scale of its own."""

    mask: Tensor
    places: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 10)
        self.register_buffer("mask", torch.rand(4, 1, 1) + 1)
        self.register_buffer("places", torch.arange(6) > 2)
        self.scale = nn.Parameter(torch.rand(4, 1, 1) + 1)

    def forward(self, images: Tensor) -> Tensor:
        found = self.norm(self.stem(images)) * self.mask * self.scale
        return self.head(found.masked_fill(self.places, 0.0).mean((2, 3)))


@pytest.fixture
def net() -> Masked:
    torch.manual_seed(1)
    return Masked()


def test_constants_are_kept_and_scales_are_drawn_about_where_they_were(net: Masked, tmp_path: Path) -> None:
    write_good(tmp_path, net)
    fresh = open_found_student(tmp_path, "scratch", seed=0).module.state_dict()
    assert torch.equal(fresh["mask"], net.mask)
    assert torch.equal(fresh["places"], net.places)
    assert not torch.equal(fresh["scale"], net.scale)
    assert (fresh["scale"] - net.scale.mean()).abs().max() < 1.5  # standard deviation below 0.5
    again = open_found_student(tmp_path, "scratch", seed=0).module.state_dict()
    assert all(torch.equal(fresh[name], again[name]) for name in fresh)


def test_every_weight_of_a_fresh_student_learns(net: Masked, tmp_path: Path) -> None:
    write_good(tmp_path, net)
    module = open_found_student(tmp_path, "scratch", seed=0).module.train()
    module(torch.randn(8, 1, 8, 8)).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any() or name == "stem.bias", name  # what a BatchNorm follows has no use for a bias


def test_an_inherited_student_has_the_weights_that_it_was_cut_with(net: Masked, tmp_path: Path) -> None:
    write_good(tmp_path, net)
    found = open_found_student(tmp_path, "inherit", seed=0).module.state_dict()
    assert torch.equal(found["scale"], net.scale)
