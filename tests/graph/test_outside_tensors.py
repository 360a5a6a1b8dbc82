"""Parameters and buffers that stand outside a layer: read by several operations, by layers too, at any layout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from masked import THOROUGH, Net, assert_cut_is_masked, between, cut_with, made, of_two_maps
from micro_nets import conv, linear, norm, parameter
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.channels import reused_layers
from studentsearch.graph.gates import gate_sites, ungated_layers
from studentsearch.graph.trace import trace
from studentsearch.student.plain import plain_network


def both(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return net.a(x * net.s) + net.b(y + net.s)


def at_the_end(x: Tensor, scale: Tensor) -> Tensor:
    return (x.permute(0, 2, 3, 1) * scale).permute(0, 3, 1, 2)


def features(net: nn.Module, y: Tensor, added: Tensor) -> Tensor:
    return net.linear(y.mean((2, 3)) + added)[:, :, None, None]


MASK = torch.tensor([True, False, True, True, False, True]).view(6, 1, 1)
TWO_READERS: dict[str, Callable[[], Net]] = {
    "C, 1, 1": lambda: of_two_maps(both, s=parameter(6, 1, 1)),
    "1, C, 1, 1": lambda: of_two_maps(both, s=parameter(1, 6, 1, 1)),
    "C, H, W": lambda: of_two_maps(both, s=parameter(6, 8, 8), larger=None),
    "1, C, H, W": lambda: of_two_maps(both, s=parameter(1, 6, 8, 8), larger=None),
    "H, W": lambda: of_two_maps(both, s=parameter(8, 8), larger=None),
    "1": lambda: of_two_maps(both, s=parameter(1)),
    "a number": lambda: of_two_maps(both, s=parameter()),
    "1, 1, 1, 1": lambda: of_two_maps(both, s=parameter(1, 1, 1, 1)),
    "a buffer": lambda: of_two_maps(both, s=torch.randn(6, 1, 1)),
    "a buffer over channels": lambda: of_two_maps(both, s=torch.randn(1, 1, 8, 8), larger=None),
    "a buffer of integers": lambda: of_two_maps(both, s=torch.arange(6).view(6, 1, 1)),
    "a mask": lambda: of_two_maps(
        lambda net, x, y: net.a(torch.where(net.s, x, -x)) + net.b(y.masked_fill(net.s, 0.5)), s=MASK
    ),
    "C, viewed and as it is": lambda: of_two_maps(
        lambda net, x, y: net.a(x * net.s.view(-1, 1, 1)) + net.b(at_the_end(y, net.s)), s=parameter(6)
    ),
    "C, maps and features": lambda: of_two_maps(
        lambda net, x, y: net.a(at_the_end(x, net.s)) + features(net, y, net.s), s=parameter(6)
    ),
    "three reads of two": lambda: of_two_maps(
        lambda net, x, y: net.a(x * net.s - net.t) + net.b(y + net.s / (net.t.abs() + 1)),
        s=parameter(6, 1, 1),
        t=parameter(6, 1, 1),
    ),
    "beside a concatenation": lambda: of_two_maps(
        lambda net, x, y: net.wide(torch.cat([x, x * 0 + net.s], 1)) + net.b(y + net.s),
        s=parameter(6, 1, 1),
        wide=conv(12, 4),
    ),
    "along two axes of one parameter": lambda: between(
        lambda net, x: net.a(x * net.s) + net.t(x.permute(0, 2, 3, 1) * net.s).permute(0, 3, 1, 2),
        8,
        s=parameter(8, 1, 8),
        a=conv(8, 4),
        t=linear(8, 4),
        larger=None,
    ),
}
WITH_A_LAYER: dict[str, Callable[[], Net]] = {
    "norm's weight": lambda: of_two_maps(
        lambda net, x, y: net.a(net.norm(x)) + features(net, y, net.norm.weight), norm=norm(6)
    ),
    "norm's bias, read before": lambda: of_two_maps(
        lambda net, x, y: features(net, y, net.norm.bias) + net.a(net.norm(x)), norm=norm(6)
    ),
    "norm's statistics": lambda: of_two_maps(
        lambda net, x, y: net.a(net.norm(x)) + features(net, y, net.norm.running_mean), norm=norm(6)
    ),
    "convolution's bias": lambda: of_two_maps(lambda net, x, y: net.a(x) + features(net, y, net.u.bias)),
    "linear weight": lambda: of_two_maps(
        lambda net, x, y: (
            net.a((x.permute(0, 2, 3, 1) @ net.l.weight).permute(0, 3, 1, 2))
            + features(net, net.l(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), 0)
        ),
        l=linear(6, 6),
        larger=None,  # without its first branch the student knows its constant for the traced size only, and says so
    ),
    "row of a weight": lambda: of_two_maps(
        lambda net, x, y: net.a(net.l(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)) + features(net, y, net.l.weight[0]),
        l=linear(6, 6),
    ),
    "slopes": lambda: of_two_maps(
        lambda net, x, y: net.a(F.prelu(x - 0.3, net.s)) + features(net, y, net.s), s=parameter(6)
    ),
    "functional norm": lambda: of_two_maps(
        lambda net, x, y: net.a(F.batch_norm(x, net.mean, net.var, net.s)) + features(net, y, net.s),
        s=parameter(6),
        mean=torch.randn(6),
        var=torch.rand(6) + 0.5,
    ),
}


@THOROUGH
@pytest.mark.parametrize("name", TWO_READERS)
def test_a_tensor_is_cut_for_each_operation_that_reads_it(name: str, *, is_thorough: bool) -> None:
    assert_cut_is_masked(TWO_READERS[name](), is_thorough=is_thorough)


@THOROUGH
@pytest.mark.parametrize("name", WITH_A_LAYER)
def test_a_layer_and_an_operation_may_read_one_tensor(name: str, *, is_thorough: bool) -> None:
    assert_cut_is_masked(WITH_A_LAYER[name](), is_thorough=is_thorough)


def test_a_tensor_stays_one_where_it_is_cut_alike_and_becomes_two_elsewhere() -> None:
    plain = plain_network(WITH_A_LAYER["slopes"]().module, (3, 8, 8))
    sites = gate_sites(plain.network)
    gates = torch.ones(sum(site.num_gates for site in sites), dtype=torch.float64)

    def slopes() -> dict[str, torch.Size]:
        tensors = cut_with(plain, sites, gates).tensors
        return {name: tensor.shape for name, tensor in tensors.items() if name.startswith("s.")}

    assert slopes() == {"s.weight": (6,)}
    for site in sites:
        gates[site.start + (0 if site.path == "a" else 1)] = 0
    assert slopes() == {"s.weight": (5,), "s.weight_copy": (5,)}


def test_a_layer_whose_weight_an_operation_reads_is_left_whole() -> None:
    network = trace(WITH_A_LAYER["linear weight"]().module, (3, 8, 8))
    assert ("l", "an operation reads its weight as well") in [
        (layer.path, layer.reason) for layer in ungated_layers(network, gate_sites(network))
    ]


class Two(nn.Module):
    """One kernel, called twice, the second time otherwise."""

    def __init__(self, **other: int) -> None:
        super().__init__()
        self.kernel, self.other = parameter(4, 4, 3, 3), other
        self.stem = conv(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(F.relu(self.stem(x)), self.kernel, padding=1)
        return F.conv2d(F.relu(x), self.kernel, **self.other).mean((2, 3))


def test_one_kernel_called_with_other_arguments_is_refused() -> None:
    with pytest.raises(
        UnsupportedGraphError,
        match=r"^conv2d_1: kernel.*computes otherwise \(dilation \(1, 1\) here, \(2, 2\) there\); .* give it a copy",
    ):
        trace(Two(padding=2, dilation=2), (3, 8, 8))
    assert reused_layers(trace(Two(padding=1), (3, 8, 8)))


def test_a_tensor_that_forward_makes_is_one_of_its_own() -> None:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        scale = torch.sigmoid(net.s)
        x, y = F.relu(net.u(F.relu(net.stem(x)))), F.relu(net.v(F.relu(net.stem(x))))
        return net.a(x * scale).mean((2, 3)) + net.b(y + scale * torch.arange(6).view(6, 1, 1)).mean((2, 3))

    layers = {"stem": conv(3, 4), "u": conv(4, 6), "v": conv(4, 6), "a": conv(6, 4), "b": conv(6, 4)}
    assert_cut_is_masked(made(forward, s=parameter(6, 1, 1), **layers))
