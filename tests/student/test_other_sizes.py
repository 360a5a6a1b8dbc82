"""Whether plain layers hold for images of other sizes than the traced one is tried, and told."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studentsearch.graph.gated_network import GatedNetwork
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


class EvenPadded(UpAgain):
    """Odd sizes get one more row and column."""

    def forward(self, images: Tensor) -> Tensor:
        odd = images.shape[2] % 2, images.shape[3] % 2
        if any(odd):
            images = F.pad(images, (0, odd[1], 0, odd[0]))
        high = self.first(images)
        return self.head((high + F.interpolate(torch.relu(self.low(high)), scale_factor=2)).mean((2, 3)))


class SamePadding(UpAgain):
    """Two strided convolutions padded as TensorFlow does: by what is left of the size divided by the stride."""

    def forward(self, images: Tensor) -> Tensor:
        x = torch.relu(self.first(images))
        for _ in range(2):
            amounts = [max((-(-size // 2) - 1) * 2 + 3 - size, 0) for size in x.shape[2:]]
            x = F.pad(x, (amounts[1] // 2, amounts[1] - amounts[1] // 2, amounts[0] // 2, amounts[0] - amounts[0] // 2))
            x = F.conv2d(x, self.low.weight, self.low.bias, stride=2)
        return self.head(x.mean((2, 3)))


class OddOnly(EvenPadded):
    """Even sizes are refused."""

    def forward(self, images: Tensor) -> Tensor:
        if any(size % 2 == 0 for size in images.shape[2:]):
            raise ValueError("even")
        return super().forward(images)


@pytest.mark.parametrize(
    ("module", "size", "step"),
    [
        (UpAgain(has_size=True), 8, 0),
        (UpAgain(has_size=False), 8, 1),
        (MeanByHand(has_size=False), 8, 0),
        (EvenPadded(has_size=False), 8, 2),
        (EvenPadded(has_size=False), 9, 2),
        (OddOnly(has_size=False), 9, 1),
        (SamePadding(has_size=False), 8, 4),
        (nn.Sequential(nn.Conv2d(3, 4, kernel_size=3), nn.Flatten(), nn.Linear(4 * 36, 5)), 8, 1),
    ],
    ids=[
        *("size of another", "scale", "divided by the size", "odd sizes padded", "odd sizes padded, made at one"),
        *("even sizes refused", "padded by what is left", "takes one size itself"),
    ],
)
def test_what_a_trace_holds_for(module: nn.Module, size: int, step: int, capfd: pytest.CaptureFixture[str]) -> None:
    plain = plain_network(module.eval(), (3, size, size))
    assert capfd.readouterr() == ("", "")  # torch.fx prints what raises in a generated forward
    assert plain.size_step == step
    lines = " ".join(gating_lines(GatedNetwork.of(plain.network), size_step=plain.size_step))
    assert ("students hold for images of 8x8 only: the network computes sizes" in lines) == (step == 0)
    held = f"students hold for images of {size}x{size}, and of sizes that differ from it by multiples of {step}, only: "
    assert (held in lines) == (step > 1)


def test_a_student_that_is_opened_again_is_tried_silently(capfd: pytest.CaptureFixture[str]) -> None:
    student = plain_network(UpAgain(has_size=True).eval(), (3, 8, 8)).module
    assert plain_network(student, (3, 8, 8)).size_step == 1  # it takes no other size
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["resnet8", "vgg11", "densenet_digits", "torchvision:shufflenet_v2_x0_5"])
def test_usual_networks_hold_for_all_sizes(name: str) -> None:
    channels, size = (1, 8) if name == "densenet_digits" else (3, 32)
    module = build_model(name, num_classes=10, in_channels=channels)
    assert plain_network(module, (channels, size, size)).size_step == 1
