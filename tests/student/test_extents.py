"""Extents that are said to be equal are equal for images of every size that a network takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studentsearch.graph.gates import gate_sites, num_gates
from studentsearch.graph.liveness import liveness
from studentsearch.graph.trace import trace, trace_with_state
from studentsearch.models.registry import build_model
from studentsearch.student.build import build_with_weights
from studentsearch.student.extents import ExtentsOf
from studentsearch.student.slice import cut
from studentsearch.student.terms import Extent, Term


class Windows(nn.Module):
    """Ways to a half and to the same size, some of which differ for odd sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({
            "to_same": nn.Conv2d(3, 3, 3, padding=1),
            "to_half": nn.Conv2d(3, 3, 3, stride=2, padding=1),
            "to_pooled": nn.MaxPool2d(2),
            "to_pooled_up": nn.MaxPool2d(2, ceil_mode=True),
            "to_short": nn.Conv2d(3, 3, 1, stride=2),
            "to_twice": nn.Sequential(nn.Conv2d(3, 3, 3, stride=2, padding=1), nn.ConvTranspose2d(3, 3, 2, stride=2)),
            "to_one": nn.AdaptiveAvgPool2d((1, None)),
            "to_padded": nn.Sequential(nn.ReflectionPad2d((1, 2, 0, 1)), nn.Conv2d(3, 3, 2)),
        })

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        made = tuple(layer(x) for layer in self.layers.values())
        moved = (x.flatten(2).transpose(1, 2), x.transpose(2, 3).flatten(2), x @ x.transpose(2, 3), x.mean(2))
        return (
            *made,
            *moved,
            F.interpolate(made[2], scale_factor=2),
            torch.cat([x, made[0]], 2),
            x[:, :, :2],
            x[..., 1::2],
        )


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (5, 4), (11, 6)])
def test_equal_extents_are_equal_at_every_size(size: tuple[int, int]) -> None:
    traced, other = trace(Windows(), (3, 8, 8)), trace(Windows(), (3, *size))
    lengths: dict[Extent, set[int]] = {}
    for node, own, there in zip(traced.nodes, ExtentsOf(traced).nodes, other.nodes, strict=True):
        assert node.name == there.name
        for extent, length in zip(own, there.shape, strict=True):
            lengths.setdefault(extent, set()).add(length)
            assert extent == length or isinstance(extent, Term), f"{node.name}: {extent}"
    assert all(len(found) == 1 for found in lengths.values())


def test_what_is_alike_for_all_sizes_is_known_to_be() -> None:
    network = trace(Windows(), (3, 8, 8))
    extents = ExtentsOf(network)
    by_path = {node.path: extents.positions(node) for node in network.nodes}
    assert by_path["layers.to_same"] == extents.positions(network.nodes[0])
    assert by_path["layers.to_half"] == by_path["layers.to_short"] == by_path["layers.to_twice.0"]
    assert by_path["layers.to_half"] != extents.positions(
        next(n for n in network.nodes if n.operation.kind == "MaxPool2d")
    )
    assert by_path["layers.to_padded.1"] != by_path["layers.to_same"]


@pytest.mark.parametrize("name", ["resnet8", "torchvision:shufflenet_v2_x0_5", "timm:test_resnet"])
def test_sums_of_usual_networks_are_of_one_size(name: str) -> None:
    network = trace(build_model(name, num_classes=10, in_channels=3).eval(), (3, 32, 32))
    extents = ExtentsOf(network)
    sums = [node for node in network.nodes if node.operation.kind in {"Add", "Concat"}]
    assert sums
    for node in sums:
        assert all(extents.has_positions(node, source) for source in network.sources_of(node))


class Scaled(nn.Module):
    """A parameter with an axis where the batch is, and a padding of positions behind channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([
            nn.Conv2d(3, 4, 1),
            nn.Linear(4, 4),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Conv2d(4, 2, 1),
        ])
        self.scale = nn.Parameter(torch.ones(1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        stem, features, behind, head = self.layers
        y = features((stem(x) * self.scale).permute(0, 2, 3, 1))
        result: Tensor = head(behind(F.pad(y, (0, 0, 1, 0, 0, 1), value=0.5).permute(0, 3, 1, 2))).mean((2, 3))
        return result


def test_a_constant_behind_these_takes_images_of_every_size() -> None:
    network, state = (traced := trace_with_state(Scaled(), (3, 8, 8))).network, traced.state
    sites = gate_sites(network)
    is_open = np.ones(num_gates(sites), dtype=np.bool_)
    for site in sites:
        if site.path == "layers.1":
            is_open[site.span] = False
    student = cut(network, liveness(network, sites, is_open), state)
    module = build_with_weights(student.spec, student.tensors)
    assert module(torch.randn(2, 3, 11, 14)).shape == (2, 2)


def test_a_parameter_where_the_batch_is_leaves_the_size_as_it_is() -> None:
    network = trace(Scaled(), (3, 8, 8))
    (product,) = (node for node in network.nodes if node.operation.name == "torch.mul")
    assert ExtentsOf(network).are_alike(product, network.nodes[product.inputs[0]])
