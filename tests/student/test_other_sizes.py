"""Whether plain layers hold for pictures of other sizes than the traced one is tried, and told."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studentsearch.graph.gates import gate_sites
from studentsearch.jobs.gating import gating_lines
from studentsearch.models.registry import build_model
from studentsearch.student.plain import plain_network


class UpAgain(nn.Module):
    """A branch at half the size that comes back to the size of the other."""

    def __init__(self, *, has_size: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, kernel_size=3, padding=1)
        self.low = nn.Conv2d(4, 4, kernel_size=3, padding=1, stride=2)
        self.head = nn.Linear(4, 5)
        self.has_size = has_size

    def forward(self, images: Tensor) -> Tensor:
        high = self.first(images)
        low = torch.relu(self.low(high))
        size = {"size": high.shape[2:]} if self.has_size else {"scale_factor": 2}
        return self.head((high + F.interpolate(low, **size)).mean((2, 3)))


class MeanByHand(UpAgain):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(torch.relu(self.first(images)).sum((2, 3)) / images.shape[2] ** 2)


@pytest.mark.parametrize(
    ("module", "is_bound"),
    [
        (UpAgain(has_size=True), True),
        (UpAgain(has_size=False), False),
        (MeanByHand(has_size=False), True),
        (nn.Sequential(nn.Conv2d(3, 4, kernel_size=3), nn.Flatten(), nn.Linear(4 * 36, 5)), False),
    ],
    ids=["size of another", "scale", "divided by the size", "takes one size itself"],
)
def test_what_a_trace_holds_for(module: nn.Module, is_bound: bool):
    plain = plain_network(module.eval(), (3, 8, 8))
    assert plain.is_bound == is_bound
    lines = gating_lines(plain.network, gate_sites(plain.network), is_bound=plain.is_bound)
    assert ("students hold for pictures of 8x8 only" in " ".join(lines)) == is_bound


@pytest.mark.parametrize("name", ["resnet8", "vgg11", "densenet_digits", "torchvision:shufflenet_v2_x0_5"])
def test_usual_networks_hold_for_all_sizes(name: str):
    channels, size = (1, 8) if name == "densenet_digits" else (3, 32)
    assert not plain_network(build_model(name, num_classes=10, in_channels=channels), (channels, size, size)).is_bound
