"""Constants that stand where a layer lost all its inputs have their size from the image, or say which they need."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.gates import gate_sites, num_gates, scale_weights
from studentsearch.graph.liveness import liveness
from studentsearch.graph.trace import trace
from studentsearch.student.build import build_with_weights
from studentsearch.student.plain import plain_network
from studentsearch.student.slice import cut

IMAGE = (3, 8, 8)
LARGER = (3, 12, 16)


class Net(nn.Module):
    """Three convolutions and what makes the images of the second one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.one = nn.Conv2d(channels, 4, 1)
        self.two = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(F.relu(self.one(self.image_batch(F.relu(self.stem(x))))))


class Depths(Net):
    """Positions to channels: nothing tells what this makes of another size."""

    def __init__(self) -> None:
        super().__init__(16)

    def image_batch(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = x.view(batch, channels, height // 2, 2, width // 2, 2)
        return x.permute(0, 3, 5, 1, 2, 4).reshape(batch, channels * 4, height // 2, width // 2)


class Mean(Net):
    """One position, whatever the image."""

    def __init__(self) -> None:
        super().__init__(4)

    def image_batch(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


class Rows(Net):
    """One row, of as many columns as the image has."""

    def __init__(self) -> None:
        super().__init__(4)

    def image_batch(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, (1, None))


class Parts(Net):
    """One position behind a sum that no window tells."""

    def __init__(self) -> None:
        super().__init__(2)

    def image_batch(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x.reshape(x.shape[0], 2, 2, *x.shape[2:]).sum(1), 1)


def without_inputs_of_one(module: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A net whose layer `one` lost all its inputs: gated, and cut out."""
    plain = plain_network(module.double().eval(), IMAGE)
    sites = gate_sites(plain.network)
    gates = torch.ones(num_gates(sites), dtype=torch.float64)
    (span,) = [site.span for site in sites if site.path == "one"]
    gates[span] = 0
    state = dict(plain.module.state_dict())
    folded = state | scale_weights(state, sites, gates)
    student = cut(plain.network, liveness(plain.network, sites, gates.numpy() != 0), folded)
    module.load_state_dict(folded)
    return module, build_with_weights(student.spec, student.tensors)


@pytest.mark.parametrize("net", [Depths, Mean, Rows, Parts])
@torch.no_grad()
def test_the_student_is_the_gated_network_at_every_size_that_it_takes(net: type[Net]) -> None:
    gated, student = without_inputs_of_one(net())
    for shape in (IMAGE,) if net is Depths else (IMAGE, LARGER):
        images = torch.randn(2, *shape, dtype=torch.float64)
        torch.testing.assert_close(student(images), gated(images))


def test_a_size_that_nothing_tells_is_asked_for() -> None:
    _, student = without_inputs_of_one(Depths())
    with pytest.raises(ValueError, match=r"^made for images of 8x8, found 12x16; resize them, or search"):
        student(torch.zeros(1, *LARGER, dtype=torch.float64))
    message = r"cannot take an image of shape \(3, 12, 16\) \(one_constant: made for images of 8x8, found 12x16; "
    with pytest.raises(UnsupportedGraphError, match=message):
        trace(student, LARGER)
