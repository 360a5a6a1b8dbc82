"""Networks of one's own made ready: what is wrapped around them goes, what they answer stays."""

from __future__ import annotations

import copy

import pytest
import torch
from own_networks import COMPILED, REFUSED, WORKING, Net
from torch import nn

from studentsearch.errors import UnsupportedGraphError, UsageError
from studentsearch.models.preparation import frozen_note, prepared, refuse_all_frozen
from studentsearch.student.plain import plain_network

IMAGE = (1, 8, 8)
WRAPPED = ("_orig_mod", "module.")


@pytest.mark.slow  # torch.compile takes seconds to import
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_networks_are_what_was_compiled(name: str) -> None:
    assert_answers_as(COMPILED[name]())


@pytest.mark.parametrize("name", WORKING)
def test_plain_layers_answer_as_what_was_handed_over(name: str) -> None:
    assert_answers_as(WORKING[name]())


def test_a_wrapper_that_names_its_original_is_taken_off() -> None:
    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self._orig_mod = module

    net = Net()
    assert prepared(Wrapper(nn.DataParallel(Wrapper(net))), "mine", IMAGE) is net


def assert_answers_as(given: nn.Module) -> None:
    module = prepared(given, "mine", IMAGE)
    assert not any(text in f"{path}." for path in module.state_dict() for text in WRAPPED)
    assert {tensor.dtype for tensor in module.parameters()} == {torch.float32}
    assert module.training
    images = torch.randn(3, *IMAGE)
    with torch.no_grad():
        expected = copy.deepcopy(module).eval()(images)
        plain = plain_network(module.eval(), IMAGE)
        torch.testing.assert_close(plain.module(images), expected)
    assert plain.network.nodes[2].operation.kind == "BatchNorm2d"
    assert {type(layer) for layer in plain.module.modules()} >= {nn.Conv2d, nn.BatchNorm2d, nn.Linear}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused_in_a_line(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(UsageError, match=message) as caught:
        prepared(make(), "mine", IMAGE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_synchronised_norm_is_one_of_its_dimension(rank: int) -> None:
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
    module = nn.Sequential(conv(1, 4, 3), nn.SyncBatchNorm(4), conv(4, 2, 3))
    plain = plain_network(module.eval(), (1, *(7,) * rank))
    assert type(plain.module.get_submodule("1")).__name__ == f"BatchNorm{rank}d"


@pytest.mark.parametrize("name", ["old weight norm", "old spectral norm", "spectral norm"])
def test_norms_of_weights_are_computed_from_the_weights_that_were_loaded(name: str) -> None:
    module, other = WORKING[name](), WORKING[name]()
    with torch.no_grad():
        for tensor in other.parameters():
            tensor.mul_(1.5).add_(0.01)
    module.load_state_dict(other.state_dict())
    images = torch.randn(2, *IMAGE)
    with torch.no_grad():
        torch.testing.assert_close(plain_network(module.eval(), IMAGE).module(images), other.eval()(images))


def test_a_hook_that_may_change_an_output_is_refused() -> None:
    net = Net()
    net.body.register_forward_hook(lambda _, __, output: output * 2)
    with pytest.raises(UnsupportedGraphError, match=r"^body: has a forward hook, .*; remove the hook first"):
        plain_network(prepared(net, "mine", IMAGE), IMAGE)


def test_frozen_parameters_are_named() -> None:
    net = Net()
    assert frozen_note(net) is None
    net.body.requires_grad_(False)
    assert frozen_note(net) == "584 of 1,354 parameters are frozen (requires_grad=False): body.weight and 1 more"
    refuse_all_frozen(net, "mine")
    with pytest.raises(UsageError, match=r"^mine: all of its parameters are frozen .*; call requires_grad_"):
        refuse_all_frozen(net.requires_grad_(requires_grad=False), "mine")
