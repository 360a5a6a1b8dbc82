"""What a report calls removed is gone from model.py, and what the count leaves out is not computed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from masked import THOROUGH, Net, assert_cut_is_masked, between, cut_with
from micro_case import EXACT, answers, assert_near, image_batch
from micro_nets import IMAGE, LARGER, conv, linear, norm
from torch import Tensor, nn

from studentsearch.graph.gates import GateSite, gate_sites
from studentsearch.graph.liveness import liveness
from studentsearch.graph.macs import count_macs
from studentsearch.student.blocks import kept_by_block
from studentsearch.student.build import build_with_weights
from studentsearch.student.counts import is_counted_by_thop, thop_macs, torch_flops
from studentsearch.student.plain import plain_network
from studentsearch.student.source import model_source


def residual(*layers: nn.Module) -> Net:
    """A branch whose first layer loses all its inputs, added to what it read."""
    return between(lambda net, x: net.branch(net.emptied(x)) + x, 4, emptied=conv(4, 4), branch=nn.Sequential(*layers))


def strided() -> Net:
    return between(
        lambda net, x: net.branch(F.relu(net.norm(net.emptied(x)))) + F.max_pool2d(x, 2, ceil_mode=True),
        4,
        emptied=conv(4, 4),
        norm=norm(4),
        branch=conv(4, 4, stride=2),
    )


GONE: dict[str, Callable[[], Net]] = {
    "a padded convolution": lambda: residual(norm(4), nn.ReLU(), conv(4, 4), norm(4)),
    "one of 1x1": lambda: residual(norm(4), nn.ReLU(), conv(4, 4, 1), norm(4)),
    "two of 1x1": lambda: residual(nn.ReLU(), conv(4, 6, 1), nn.SiLU(), conv(6, 4, 1)),
    "depthwise": lambda: residual(norm(4), nn.ReLU6(), conv(4, 4, groups=4)),
    "grouped": lambda: residual(norm(4), nn.ReLU(), conv(4, 4, groups=2)),
    "grouped of 1x1": lambda: residual(norm(4), nn.ReLU(), conv(4, 4, 1, groups=2)),
    "more filters than channels": lambda: residual(conv(4, 8, 1, groups=4), nn.GELU(), conv(8, 4, 1)),
    "dilated": lambda: residual(nn.ReLU(), conv(4, 4, dilation=2, padding=2)),
    "the same size": lambda: residual(nn.ReLU(), nn.Conv2d(4, 4, (3, 5), padding="same")),
    "padded with itself": lambda: residual(nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")),
    "a long kernel": lambda: residual(nn.ReLU(), nn.Conv2d(4, 4, (1, 7), padding=(0, 3))),
    "a linear layer": lambda: between(
        lambda net, x: net.branch(F.relu(net.emptied(x.mean((2, 3)))))[:, :, None, None] + x,
        4,
        emptied=linear(4, 5),
        branch=linear(5, 4),
    ),
    "a norm of groups": lambda: residual(nn.GroupNorm(2, 4), nn.ReLU(), conv(4, 4)),
}
KEPT: dict[str, Callable[[], Net]] = {
    "stride": strided,
    "a second padded convolution": lambda: residual(nn.ReLU(), conv(4, 4), nn.ReLU(), conv(4, 4)),
}


class Emptied:
    """A net whose layer `emptied` lost all its inputs, and its student."""

    def __init__(self, net: Net) -> None:
        self.plain = plain_network(net.module, *net.shapes)
        self.sites: tuple[GateSite, ...] = gate_sites(self.plain.network)
        gates = torch.ones(sum(site.num_gates for site in self.sites), dtype=torch.float64)
        (span,) = [site.span for site in self.sites if site.path == "emptied"]
        gates[span] = 0
        self.alive = liveness(self.plain.network, self.sites, gates.numpy() != 0)
        self.student = cut_with(self.plain, self.sites, gates)

    @property
    def layers(self) -> set[str]:
        """Paths of the student's layers that compute something with weights."""
        return {step.path for step in self.student.spec.steps if step.operation.kind in {"Conv2d", "Linear"}}

    @property
    def reported(self) -> set[str]:
        """Paths of the layers of which a report says that something is left."""
        blocks = kept_by_block(self.plain.network, self.alive)
        return {layer.path for block in blocks for layer in block.readers if layer.kept_inputs and layer.kept_outputs}


@THOROUGH
@pytest.mark.parametrize("name", GONE)
def test_a_layer_of_constants_is_exact_without_being_computed(name: str, *, is_thorough: bool) -> None:
    assert_cut_is_masked(GONE[name](), is_thorough=is_thorough)


@pytest.mark.parametrize("name", [*GONE, *KEPT])
def test_what_a_report_calls_removed_is_gone(name: str) -> None:
    emptied = Emptied({**GONE, **KEPT}[name]())
    branch = {step.path for step in emptied.student.spec.steps if step.path.startswith("branch")}
    assert emptied.layers == emptied.reported
    assert bool(emptied.layers & branch) == (name in KEPT)
    source = model_source(emptied.student.spec, title="A student.")
    assert "self.emptied = nn." not in source
    assert source.count("nn.Conv2d(") + source.count("nn.Linear(") == len(emptied.layers)
    (added,) = [entry for block in kept_by_block(emptied.plain.network, emptied.alive) for entry in block.sums]
    assert added.branches[0].is_removed == (name in GONE)


@pytest.mark.parametrize("name", [*GONE, *KEPT])
def test_the_count_is_what_is_computed(name: str) -> None:
    emptied = Emptied({**GONE, **KEPT}[name]())
    module = build_with_weights(emptied.student.spec, emptied.student.tensors)
    is_thops = is_counted_by_thop(emptied.student.spec)
    counted = thop_macs(module, *IMAGE) if is_thops else torch_flops(module, IMAGE) // 2
    assert int(count_macs(emptied.plain.network, emptied.alive)) == counted


@pytest.mark.parametrize("name", ["a padded convolution", "dilated"])
def test_a_student_with_a_border_is_cut_again(name: str) -> None:
    emptied = Emptied(GONE[name]())
    module = build_with_weights(emptied.student.spec, emptied.student.tensors)
    assert_cut_is_masked(Net(module=module))
    again = plain_network(module, *IMAGE).module
    for shapes in (IMAGE, LARGER):
        assert_near(answers(again, image_batch(shapes)), answers(module, image_batch(shapes)), EXACT)


def test_images_without_a_middle_are_refused() -> None:
    emptied = Emptied(GONE["a long kernel"]())
    module = build_with_weights(emptied.student.spec, emptied.student.tensors)
    with pytest.raises(ValueError, match=r"^made for at least 7 positions, found 5; give larger images$"):
        module(torch.zeros(1, 3, 9, 5, dtype=torch.float64))


def test_a_constant_has_gradients_at_its_border() -> None:
    emptied = Emptied(GONE["a padded convolution"]())
    module = build_with_weights(emptied.student.spec, emptied.student.tensors).train()
    module(torch.randn(2, 3, 8, 8, dtype=torch.float64)).square().sum().backward()
    (constant,) = [tensor for name, tensor in module.named_parameters() if name.endswith("_constant.value")]
    assert constant.shape == (4, 3, 3)
    assert constant.grad is not None
    assert Tensor.all(constant.grad.isfinite())
