"""Cut networks compared with the original module, masked by forward hooks of the test's own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from micro_case import EXACT, answers, assert_near, image_batch
from micro_nets import IMAGE, LARGER, Forward, Shapes, conv, linear, randomised
from torch import Tensor, nn

from studentsearch.graph.gates import GateSite, gate_sites, num_gates, scale_weights
from studentsearch.graph.liveness import liveness
from studentsearch.student.build import build_with_weights
from studentsearch.student.plain import PlainNetwork, plain_network
from studentsearch.student.slice import Cut, cut
from studentsearch.student.source import model_source
from studentsearch.student.wellformed import spec_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """A module with its shapes.

    Attributes:
        module: Any module in evaluation mode, float64.
        shapes: Of one image, one shape an input.
        larger: Another size that it takes; None where it takes one size.
    """

    module: nn.Module
    shapes: Shapes = IMAGE
    larger: Shapes | None = LARGER


def made(
    function: Callable[..., object],
    *,
    shapes: Shapes = IMAGE,
    larger: Shapes | None = LARGER,
    **layers: nn.Module | Tensor,
) -> Net:
    """A function as the forward pass of a net with these layers and tensors; plain tensors become buffers."""
    module = Forward(function, {name: layer for name, layer in layers.items() if not _is_buffer(layer)})
    for name, layer in layers.items():
        if _is_buffer(layer):
            module.register_buffer(name, layer)
    return Net(module=randomised(module), shapes=shapes, larger=larger)


def _is_buffer(value: object) -> bool:
    return isinstance(value, Tensor) and not isinstance(value, nn.Parameter)


def masked(module: nn.Module, sites: Sequence[GateSite], gates: Tensor) -> nn.Module:
    """The original module with the inputs of its readers multiplied by their gates; functional readers' weights are."""
    module = copy.deepcopy(module)
    for site in sites:
        own = gates[site.span] if site.gate_of is None else gates[site.span][torch.from_numpy(site.gate_of)]
        layer = dict(module.named_modules()).get(site.path)
        if isinstance(layer, nn.Linear):
            layer.register_forward_pre_hook(lambda _, given, own=own: (given[0] * own,))
        elif isinstance(layer, nn.modules.conv._ConvNd):
            own = own.view(-1, *(1,) * len(layer.kernel_size))
            layer.register_forward_pre_hook(lambda _, given, own=own: (given[0] * own,))
        else:
            weights = dict(module.named_parameters())
            name = site.weight_name if site.weight_name in weights else site.path
            weight = weights[name]
            shape = [-1 if axis == site.weight_axis else 1 for axis in range(weight.dim())]
            weight.data.mul_(own.view(shape))
    return module


def gate_settings(sites: Sequence[GateSite], *, is_thorough: bool) -> Iterator[Tensor]:
    """10, 50 and 90 % closed at random, everything closed, each reader closed whole; or half, and one reader whole."""
    number, generator = num_gates(tuple(sites)), torch.Generator().manual_seed(0)
    for closed in (0.1, 0.5, 0.9, 1.0) if is_thorough else (0.5,):
        gates = 0.2 + torch.rand(number, generator=generator, dtype=torch.float64)
        yield gates * (torch.rand(number, generator=generator) >= closed)
    for site in sites if is_thorough else sites[1:2]:
        gates = torch.ones(number, dtype=torch.float64)
        gates[site.span] = 0
        yield gates


def cut_with(plain: PlainNetwork, sites: tuple[GateSite, ...], gates: Tensor) -> Cut:
    state = dict(plain.module.state_dict())
    alive = liveness(plain.network, sites, gates.numpy() != 0)
    return cut(plain.network, alive, state | scale_weights(state, sites, gates))


def written(student: Cut) -> nn.Module:
    """The module that the generated model.py builds."""
    space: dict[str, object] = {"__file__": "model.py", "__name__": "model"}
    exec(compile(model_source(student.spec, title="A student."), "model.py", "exec"), space)
    module = space["build"](None)  # type: ignore[operator]
    module.to(torch.float64).load_state_dict(student.tensors)
    return module


def assert_cut_is_masked(net: Net, *, is_thorough: bool = True) -> None:
    """Built student and model.py compute what the masked original does, at two batch sizes and two image sizes."""
    plain = plain_network(net.module, *net.shapes)
    sites = gate_sites(plain.network)
    for gates in gate_settings(sites, is_thorough=is_thorough):
        student = cut_with(plain, sites, gates)
        assert spec_problem(student.spec) is None
        modules = build_with_weights(student.spec, student.tensors), written(student)
        original = masked(net.module, sites, gates)
        for shapes, number in ((net.shapes, 2), (net.larger or net.shapes, 3)):
            images = image_batch(shapes, number)
            expected = answers(original, images)
            for module in modules:
                assert_near(answers(module, images), expected, EXACT)


THOROUGH = pytest.mark.parametrize(
    "is_thorough", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["two settings", "all settings"]
)


def between(
    function: Callable[..., Tensor], channels: int, *, larger: Shapes | None = LARGER, **layers: nn.Module | Tensor
) -> Net:
    """A net with a function of maps between convolutions: 3 -> 5 -> channels, 4 -> 4 -> logits."""

    def forward(net: nn.Module, x: Tensor) -> Tensor:
        x = function(net, net.before(F.relu(net.stem(x))))
        return net.head(F.relu(net.after(x)).mean((2, 3)))

    ends = {"stem": conv(3, 5), "before": conv(5, channels), "after": conv(4, 4), "head": linear(4, 3)}
    return made(forward, larger=larger, **ends, **layers)


def of_two_maps(
    function: Callable[..., Tensor], *, larger: Shapes | None = LARGER, **layers: nn.Module | Tensor
) -> Net:
    """A net with a function of two maps of six channels, of which gates leave different ones."""
    own = {"u": conv(4, 6), "v": conv(4, 6), "a": conv(6, 4), "b": conv(6, 4), "linear": linear(6, 4)}
    return between(lambda net, x: function(net, F.relu(net.u(x)), F.relu(net.v(x))), 4, larger=larger, **own, **layers)
