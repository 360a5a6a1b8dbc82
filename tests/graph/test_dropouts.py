"""Dropout that is called as a function is a layer of the plain network and of students."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from micro_case import Case
from micro_nets import Forward, MicroNet, conv, linear, randomised
from torch import Tensor, nn
from torchvision.ops import stochastic_depth

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.layers import StochasticDepth
from studentsearch.graph.recording.record import record
from studentsearch.student.plain import plain_network
from studentsearch.student.source import model_source

IMAGE = (3, 8, 8)


def net(function: Callable[[nn.Module, Tensor], Tensor], **layers: nn.Module) -> nn.Module:
    """A function of a map in a module `body`, between a convolution and a linear layer."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        return m.head(m.body(m.stem(x)).flatten(1))

    body = Forward(function, dict(layers))
    return randomised(Forward(forward, {"stem": conv(3, 4), "body": body, "head": linear(256, 2)}))


DROPPING: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], nn.Module]] = {
    "dropout": (lambda m, x: F.dropout(x, 0.4, m.training), nn.Dropout(0.4)),
    "in place": (lambda m, x: F.dropout(x, 0.4, m.training, inplace=True), nn.Dropout(0.4)),
    "in torch": (lambda m, x: torch.dropout(x, 0.4, m.training), nn.Dropout(0.4)),
    "in torch, in place": (lambda m, x: torch.dropout_(x, p=0.4, train=m.training), nn.Dropout(0.4)),
    "dropout1d": (lambda m, x: F.dropout1d(x.flatten(2), 0.4, training=m.training), nn.Dropout1d(0.4)),
    "dropout2d": (lambda m, x: F.dropout2d(x, training=m.training), nn.Dropout2d(0.5)),
    "dropout3d": (lambda m, x: F.dropout3d(x.unsqueeze(2), 0.4, training=m.training), nn.Dropout3d(0.4)),
    "feature_dropout": (lambda m, x: torch.feature_dropout(x, 0.4, m.training), nn.Dropout2d(0.4)),
    "alpha_dropout": (lambda m, x: F.alpha_dropout(x, 0.4, m.training), nn.AlphaDropout(0.4)),
    "feature_alpha_dropout": (lambda m, x: F.feature_alpha_dropout(x, 0.4, m.training), nn.FeatureAlphaDropout(0.4)),
    "stochastic_depth": (lambda m, x: stochastic_depth(x, 0.4, "batch", m.training), StochasticDepth(0.4, "batch")),
    "of a library": (
        lambda m, x: torchvision.ops.stochastic_depth(x, p=0.4, mode="row", training=m.training),
        StochasticDepth(0.4),
    ),
}


@pytest.mark.parametrize("name", DROPPING)
def test_the_plain_network_drops_what_the_network_drops(name: str) -> None:
    function, expected = DROPPING[name]
    module = net(function)
    plain = plain_network(module, IMAGE).module
    (layer,) = plain.body.children()
    assert type(layer) is type(expected)
    assert (layer.p, getattr(layer, "mode", "")) == (expected.p, getattr(expected, "mode", ""))
    images = torch.randn(16, *IMAGE, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(plain(images), module(images))
        torch.manual_seed(0)
        dropped = plain.train()(images)
        torch.manual_seed(0)
        torch.testing.assert_close(dropped, module.train()(images))
        torch.manual_seed(0)
        assert not torch.allclose(dropped, plain.eval()(images))


def test_paths_dropped_by_timm_are_a_layer() -> None:
    layers = pytest.importorskip("timm.layers", reason="timm is not installed (extra timm)")
    plain = plain_network(net(lambda m, x: x + layers.drop_path(m.one(x), 0.3, m.training), one=conv(4, 4)), IMAGE)
    assert isinstance(plain.module.body.drop_path, StochasticDepth)
    assert plain.module.body.drop_path.p == 0.3
    with pytest.raises(UnsupportedGraphError, match=r"^body, .*: drop_path without scale_by_keep; give it scale_by_k"):
        plain_network(net(lambda m, x: layers.drop_path(x, 0.3, m.training, scale_by_keep=False)), IMAGE)


def test_a_library_is_left_as_it_was() -> None:
    before = stochastic_depth
    record(net(DROPPING["of a library"][0]), IMAGE)
    with pytest.raises(UnsupportedGraphError):
        record(net(lambda m, x: stochastic_depth(m.missing(x), 0.4, "row", m.training)), IMAGE)
    assert torchvision.ops.stochastic_depth is stochastic_depth is before


@pytest.mark.parametrize(
    "function",
    [lambda m, x: F.dropout(x, 0.5, m.training) + m.one(x), lambda m, x: m.drop(x) + m.one(x)],
    ids=["function", "layer"],
)
def test_what_is_dropped_is_read_undropped_elsewhere(function: Callable[[nn.Module, Tensor], Tensor]) -> None:
    module = net(function, one=conv(4, 4), drop=nn.Dropout(0.5))
    plain = plain_network(module, IMAGE).module.train()
    images = torch.randn(2, *IMAGE, dtype=torch.float64)
    torch.manual_seed(0)
    expected = module.train()(images)
    torch.manual_seed(0)
    torch.testing.assert_close(plain(images), expected)


def test_what_is_dropped_in_place_is_read_dropped() -> None:
    def twice(m: nn.Module, x: Tensor) -> Tensor:
        F.dropout(x, 0.5, m.training, inplace=True)
        m.drop(x)
        return x

    graph = record(net(twice, drop=nn.Dropout(0.25, inplace=True)), IMAGE).graph
    layers = [node.target for node in graph.nodes if node.op == "call_module"]
    assert layers == ["stem", "body.dropout", "body.drop", "head"]


def test_names_that_are_taken_get_a_number() -> None:
    def forward(m: nn.Module, x: Tensor) -> Tensor:
        return m.dropout(F.dropout(F.dropout(x, 0.2, m.training), 0.3, m.training))

    plain = plain_network(net(forward, dropout=nn.Dropout(0.1)), IMAGE).module
    assert {name: layer.p for name, layer in plain.body.named_children()} == {
        "dropout_1": 0.2,
        "dropout_2": 0.3,
        "dropout": 0.1,
    }


def test_what_never_drops_leaves_no_layer() -> None:
    plain = plain_network(net(lambda m, x: F.dropout(stochastic_depth(x, 0.0, "row", m.training), 0.0)), IMAGE)
    assert {name for name, _ in plain.module.named_children()} == {"stem", "head"}


@pytest.mark.parametrize(
    "function",
    [lambda _, x: F.dropout(x, 0.5), lambda _, x: stochastic_depth(x, 0.5, "row")],
    ids=["dropout", "stochastic_depth"],
)
def test_dropout_in_evaluation_is_refused(function: Callable[[nn.Module, Tensor], Tensor]) -> None:
    message = r"^body, test_dropouts\.py:\d+: \w+ that drops in evaluation as well; give it training=self\.training"
    with pytest.raises(UnsupportedGraphError, match=message):
        plain_network(net(function), IMAGE)


def test_a_students_source_holds_the_layer() -> None:
    module = net(lambda m, x: m.one(F.dropout2d(F.relu(x), 0.3, m.training)), one=conv(4, 4))
    case = Case(MicroNet(module=module, shapes=(IMAGE,), larger=None, gap=0.0))
    gates = torch.ones(case.num_gates)
    gates[:2] = 0
    source = model_source(case.cut(gates).spec, title="A student.")
    assert "self.body.dropout2d = nn.Dropout2d(p=0.3)" in source
    assert "dropout2d = self.body.dropout2d(" in source
