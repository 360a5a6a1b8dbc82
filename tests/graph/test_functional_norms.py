"""Norms that are called as functions with tensors of the network's own, and norms of what lost all its inputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from masked import THOROUGH, Net, assert_cut_is_masked, between
from micro_nets import LARGER, Shapes, conv, linear, norm, parameter, randomised
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.gates import gate_sites
from studentsearch.graph.trace import trace

STATISTICS = {"running_mean": torch.randn(6), "running_var": torch.rand(6) + 0.5}
AFFINE: dict[str, Tensor] = {"weight": parameter(6), "bias": parameter(6)}
_Norm = Callable[[nn.Module, Tensor], Tensor]


class Root(nn.Module):
    """A network that owns the tensors of its norm itself."""

    def __init__(self, function: _Norm, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.stem, self.body, self.last, self.head = conv(3, 4), conv(4, 6), conv(6, 4), linear(4, 3)
        self.function = function
        for name, tensor in tensors.items():
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(name, tensor)
            else:
                self.register_buffer(name, tensor)

    def forward(self, x: Tensor) -> Tensor:
        x = self.function(self, F.relu(self.body(F.relu(self.stem(x)))))
        return self.head(F.relu(self.last(x)).mean((2, 3)))


def root(function: _Norm, *, larger: Shapes | None = LARGER, **tensors: Tensor) -> Net:
    return Net(module=randomised(Root(function, tensors)), larger=larger)


def last(function: _Norm) -> _Norm:
    """A norm of channels that are the last axis."""
    return lambda net, x: function(net, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


FUNCTIONAL: dict[str, Callable[[], Net]] = {
    "batch norm": lambda: root(
        lambda m, x: F.batch_norm(x, m.running_mean, m.running_var, m.weight, m.bias), **STATISTICS, **AFFINE
    ),
    "batch norm, statistics alone": lambda: root(
        lambda m, x: F.batch_norm(x, m.running_mean, m.running_var), **STATISTICS
    ),
    "batch norm, weight alone": lambda: root(
        lambda m, x: F.batch_norm(x, m.running_mean, m.running_var, m.weight), **STATISTICS, weight=parameter(6)
    ),
    "batch norm of the batch": lambda: root(
        lambda m, x: F.batch_norm(x, None, None, m.weight, m.bias, training=True), **AFFINE
    ),
    "batch norm called twice": lambda: root(
        lambda m, x: F.batch_norm(F.batch_norm(x, m.running_mean, m.running_var).relu(), m.running_mean, m.running_var),
        **STATISTICS,
    ),
    "a norm and a convolution of one owner": lambda: root(
        lambda m, x: F.conv2d(F.batch_norm(x, m.running_mean, m.running_var), m.weight, padding=1),
        **STATISTICS,
        weight=parameter(6, 6, 3, 3),
    ),
    "torch.batch_norm": lambda: root(
        lambda m, x: torch.batch_norm(
            x,
            m.weight,
            m.bias,
            m.running_mean,
            m.running_var,
            False,
            0.1,
            1e-5,
            False,  # torch's own
        ),
        **STATISTICS,
        **AFFINE,
    ),
    "layer norm": lambda: root(last(lambda m, x: F.layer_norm(x, (6,), m.weight, m.bias)), **AFFINE),
    "layer norm, bias alone": lambda: root(last(lambda m, x: F.layer_norm(x, (6,), bias=m.bias)), bias=parameter(6)),
    "layer norm without tensors": lambda: root(last(lambda _, x: F.layer_norm(x, (6,)))),
    "layer norm of positions": lambda: root(lambda _, x: F.layer_norm(x, [8, 8], eps=1e-3), larger=None),
    "group norm": lambda: root(lambda m, x: F.group_norm(x, 3, m.weight, m.bias), **AFFINE),
    "group norm, bias alone": lambda: root(lambda m, x: F.group_norm(x, 6, bias=m.bias), bias=parameter(6)),
    "group norms without tensors": lambda: root(lambda _, x: F.group_norm(F.group_norm(x, 3).relu(), 2)),
    "torch.group_norm": lambda: root(lambda m, x: torch.group_norm(x, 3, m.weight, m.bias), **AFFINE),
    "instance norm": lambda: root(lambda m, x: F.instance_norm(x, weight=m.weight, bias=m.bias), **AFFINE),
    "instance norm without tensors": lambda: root(lambda _, x: F.instance_norm(x)),
    "instance norm, kept statistics": lambda: root(
        lambda m, x: F.instance_norm(x, m.running_mean, m.running_var, use_input_stats=False), **STATISTICS
    ),
    "root mean square norm": lambda: root(last(lambda m, x: F.rms_norm(x, (6,), m.weight)), weight=parameter(6)),
    "an attribute of the operation's name": lambda: root(
        lambda m, x: F.group_norm(x, 3) + m.group_norm.view(-1, 1, 1), group_norm=parameter(6)
    ),
}
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "batch norm of the batch": lambda: nn.BatchNorm2d(4, track_running_stats=False),
    "batch norm of the batch without weights": lambda: nn.BatchNorm2d(4, affine=False, track_running_stats=False),
    "instance norm": lambda: nn.InstanceNorm2d(4, affine=True),
    "instance norm with statistics": lambda: nn.InstanceNorm2d(4, track_running_stats=True),
    "group norm": lambda: nn.GroupNorm(2, 4),
    "group norm of all": lambda: nn.GroupNorm(1, 4, affine=False),
    "local response": lambda: nn.LocalResponseNorm(2),
}
EMPTIED: dict[str, Callable[[], Net]] = {
    **{
        name: (
            lambda made: (
                lambda: between(lambda m, x: F.relu(m.norm(m.emptied(x))) + x, 4, emptied=conv(4, 4), norm=made())
            )
        )(make)
        for name, make in LAYERS.items()
    },
    "layer norm": lambda: between(
        lambda m, x: m.norm(m.emptied(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2) + x,
        4,
        emptied=conv(4, 4),
        norm=nn.LayerNorm(4),
    ),
    "layer norm of positions": lambda: between(
        lambda m, x: m.norm(m.emptied(x)) + x, 4, emptied=conv(4, 4), norm=nn.LayerNorm((8, 8)), larger=None
    ),
    "of features": lambda: between(
        lambda m, x: m.norm(m.emptied(x.mean((2, 3))))[:, :, None, None] + x,
        4,
        emptied=linear(4, 4),
        norm=nn.BatchNorm1d(4, track_running_stats=False),
    ),
    "one behind another": lambda: between(
        lambda m, x: m.second(m.body(F.relu(m.norm(m.emptied(x))))) + x,
        4,
        emptied=conv(4, 4),
        body=conv(4, 4),
        norm=nn.GroupNorm(2, 4),
        second=nn.BatchNorm2d(4, track_running_stats=False),
    ),
    "functional": lambda: between(lambda m, x: F.instance_norm(m.emptied(x)) + x, 4, emptied=conv(4, 4)),
}


@THOROUGH
@pytest.mark.parametrize("name", FUNCTIONAL)
def test_a_functional_norm_is_cut_like_its_layer(name: str, *, is_thorough: bool) -> None:
    assert_cut_is_masked(FUNCTIONAL[name](), is_thorough=is_thorough)


@THOROUGH
@pytest.mark.parametrize("name", EMPTIED)
def test_a_norm_of_a_constant_is_what_torch_computes(name: str, *, is_thorough: bool) -> None:
    net = EMPTIED[name]()
    assert gate_sites(trace(net.module, *net.shapes))[1].path == "emptied"  # what the fast setting closes whole
    assert_cut_is_masked(net, is_thorough=is_thorough)


def test_a_norm_with_statistics_that_it_does_not_read_is_one_without() -> None:
    net = root(lambda m, x: F.instance_norm(x, m.running_mean, m.running_var), **STATISTICS)
    with torch.no_grad():  # this call writes to the statistics, which is refused where it would be followed
        net.module(torch.randn(2, 3, 8, 8, dtype=torch.float64))
    (node,) = [node for node in trace(net.module, *net.shapes).nodes if node.operation.kind == "InstanceNorm2d"]
    assert node.operation.arguments["track_running_stats"] is False


def test_statistics_with_two_weights_are_refused() -> None:
    net = root(
        lambda m, x: F.batch_norm(
            F.batch_norm(x, m.running_mean, m.running_var), m.running_mean, m.running_var, m.weight, m.bias
        ),
        **STATISTICS,
        **AFFINE,
    )
    with pytest.raises(
        UnsupportedGraphError, match=r"^batch_norm_1: .* expected layers that share all or none; give it a"
    ):
        trace(net.module, *net.shapes)


def test_a_norm_that_is_called_as_layer_and_as_function_is_one() -> None:
    def both(m: nn.Module, x: Tensor) -> Tensor:
        given = (m.norm.running_mean, m.norm.running_var, m.norm.weight, m.norm.bias)
        return F.batch_norm(x, *given, False, 0.1, m.norm.eps) + m.norm(x.relu())  # torch's own order

    assert_cut_is_masked(between(both, 4, norm=norm(4)), is_thorough=False)
