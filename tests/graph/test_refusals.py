"""What cannot be followed: the message names location, finding and cure; what is harmless keeps all channels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from micro_nets import Forward, conv, linear, randomised
from rule_nets import NETS
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.gates import UngatedLayer, gate_sites, ungated_layers
from studentsearch.graph.network import Network
from studentsearch.graph.trace import trace
from studentsearch.student.plain import plain_network

IMAGE = (3, 8, 8)


def net(function: Callable[..., object], **layers: nn.Module | Tensor) -> nn.Module:
    """A function of a convolution's output, then a linear layer, in a module `body`."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        return m.head(m.body(m.stem(x)).mean((2, 3)))

    body = Forward(function, layers)
    return randomised(Forward(forward, {"stem": conv(3, 4), "body": body, "head": linear(4, 2)}))


def ungated(network: Network) -> dict[str, str]:
    return {part.path: part.reason for part in ungated_layers(network, gate_sites(network))}


def control_flow(_: nn.Module, x: Tensor) -> Tensor:
    return x if x.mean() > 0 else -x


def written_into(_: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    y[:, 0] = 0
    return y


def windows(_: nn.Module, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    parts = x.view(batch, channels, 2, height // 2, 2, width // 2).permute(0, 2, 4, 1, 3, 5)
    parts = F.relu(parts.reshape(batch * 4, channels, height // 2, width // 2))
    return parts.view(batch, 2, 2, channels, height // 2, width // 2).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)


def shared_bias(m: nn.Module, x: Tensor) -> Tensor:
    return F.conv2d(x, m.one, m.bias) + F.conv2d(x, m.two, m.bias)


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "control flow": (
        net(control_flow),
        r"^body, test_refusals\.py:\d+: value-dependent control flow .*, or move it out",
    ),
    "written into": (
        net(written_into),
        r"^body, test_refusals\.py:\d+: a write into a part of a tensor .*torch\.where",
    ),
    "windows": (
        net(windows),
        r"^body\.relu: positions and images of the batch are mixed on one axis; .*; search anoth",
    ),
    "operation": (
        net(lambda _, x: torch.cumsum(x, 1)),
        r"^body\.cumsum: the operation torch\.cumsum has no rule and reads channels that may be cut; "
        r'keep all channels with --skip "body\.cumsum", or teach its record '
        r"\(studentsearch\.graph\.operations\.table\.use_operation\)$",
    ),
    "layer of torch": (
        net(lambda m, x: m.swap(x, x), swap=nn.Bilinear(8, 8, 8)),
        r'^body\.swap: the operation Bilinear has no rule .* --skip "body\.swap"',
    ),
    "foreign function": (
        net(lambda _, x: torch.ops.aten.relu(x)),
        r"^body\.\w+: the function relu is not torch's; write it with functions of torch",
    ),
    "shared bias": (
        net(shared_bias, one=torch.ones(4, 4, 1, 1), two=torch.ones(4, 4, 1, 1), bias=torch.ones(4)),
        r"^body\.conv2d_1: body\.two: shares one of its tensors .* expected layers that share all or none; give it a c",
    ),
    "computed weight": (
        net(lambda _, x: F.linear(x, x.mean((1, 2)))),
        r"^body\.linear: torch\.nn\.functional\.linear with a weight that is computed from the image; expected a p",
    ),
    "indices": (
        net(lambda _, x: x + x.max(dim=1, keepdim=True).indices),
        r"^body\.\w+: result 1 of body\.max\w* is not followed .*; expected the first one only",
    ),
    "no images": (
        net(lambda _, x: x.sum() + x),
        r"^body\.sum\w*: gives a tensor \[\]; expected one tensor \[B, feat",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused(name: str) -> None:
    module, message = REFUSED[name]
    with pytest.raises(UnsupportedGraphError, match=message) as caught:
        trace(module, IMAGE)
    assert "\n" not in str(caught.value)


def test_a_network_that_answers_otherwise_each_time_is_refused() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"answers otherwise \(by .*; its forward depends on more than the"):
        plain_network(net(lambda _, x: x + F.rrelu(x, training=True)), IMAGE, skip=["body.*"])


def test_an_unknown_operation_before_all_gates_is_left_whole_and_said() -> None:
    def forward(m: nn.Module, x: Tensor) -> Tensor:
        return m.head(F.relu(m.stem(torch.cumsum(x, 2))).mean((2, 3)))

    network = trace(Forward(forward, {"stem": conv(3, 4), "head": linear(4, 2)}).eval(), IMAGE)
    assert ungated(network) == {"cumsum": "has no rule"}
    assert [site.path for site in gate_sites(network)] == ["stem", "head"]


@pytest.mark.parametrize("pattern", ["body.cumsum", "body.*", "*cumsum", "body"])
def test_an_unknown_operation_may_be_skipped(pattern: str) -> None:
    module = net(lambda m, x: m.two(torch.cumsum(m.one(x), 1)), one=conv(4, 5), two=conv(5, 4))
    plain = plain_network(module, IMAGE, skip=[pattern])
    images = torch.randn(2, *IMAGE, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(plain.module(images), module(images))
    assert ungated(plain.network)["body.cumsum"] == "skipped"


def test_skipped_layers_have_no_gates_and_keep_their_channels() -> None:
    module = NETS["residual"].fresh()
    network = trace(module, *NETS["residual"].shapes, skip=["one", "norm2"])
    sites = gate_sites(network)
    assert [site.path for site in sites] == ["before", "two", "after", "head"]
    assert ungated_layers(network, sites) == (
        UngatedLayer(path="stem", reason="reads the image"),
        UngatedLayer(path="one", reason="skipped"),
        UngatedLayer(path="norm2", reason="skipped"),
    )


def test_grouped_layers_are_said_to_fall_with_their_readers() -> None:
    assert ungated(trace(NETS["grouped"].fresh(), IMAGE))["one"] == "grouped: whole groups fall with their readers"
    parts = ungated(trace(NETS["depthwise_with_multiplier"].fresh(), IMAGE))
    assert parts["one"] == "depthwise: falls with its readers"
