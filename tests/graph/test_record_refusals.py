"""What recording refuses: one line with the module path and the line of code."""

import re
from collections.abc import Callable

import pytest
import torch
from recorded_nets import SHAPE, Body, net
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.recording.record import record


def assigned(_: Body, x: Tensor) -> Tensor:
    x[:, 0] = 1
    return x


def sliced(_: Body, x: Tensor) -> Tensor:
    x[:, :3] += 1
    return x


def viewed(_: Body, x: Tensor) -> Tensor:
    x.flatten(1).add_(1)
    return x


def set_data(_: Body, x: Tensor) -> Tensor:
    x.data.add_(1)
    return x


def written(body: Body, x: Tensor) -> Tensor:
    body.weight.mul_(2)
    return x * body.weight


def changed_constant(_: Body, x: Tensor) -> Tensor:
    mask = torch.ones(6)
    y = x * mask
    mask[0] = 0
    return y * mask


REFUSED: dict[str, tuple[Callable[..., object], str]] = {
    "if": (lambda _, x: x if x.sum() > 0 else -x, r"value-dependent control flow \(__bool__ .*move it out of forward"),
    "float": (lambda _, x: x * float(x.mean()), r"value-dependent control flow \(__float__"),
    "item": (lambda _, x: x * x.mean().item(), r"value-dependent control flow \(item"),
    "tolist": (lambda _, x: x.tolist(), r"value-dependent control flow \(tolist"),
    "for": (lambda _, x: torch.stack([image.relu() for image in x]), r"value-dependent control flow \(unbind"),
    "mask": (lambda _, x: x[x > 0], r"cannot be followed \(.*nonzero"),
    "assigned": (assigned, r"a write into a part of a tensor \(__setitem__\); build the result with torch.cat"),
    "sliced": (sliced, r"a write into a part of a tensor"),
    "viewed": (viewed, r"changes conv or a view of it in place, which is read afterwards"),
    "data": (set_data, r"changes conv or a view of it in place, which is read afterwards"),
    "out": (lambda _, x: torch.add(x, x, out=x), r"a write into a part of a tensor \(add\)"),
    "constant": (changed_constant, r"body.ones was changed in place after it was used"),
    "copy": (lambda _, x: x.clone().copy_(x.relu()), r"copy_ has no form that makes a new tensor"),
    "random": (lambda _, x: x * torch.rand(6), r"random numbers \(rand\)"),
    "numpy": (lambda _, x: x.numpy(), r"value-dependent control flow \(numpy"),
    "missing": (lambda body, x: body.nowhere(x), r"cannot be followed \(AttributeError"),
    "number": (lambda _, x: x.shape[1], r"forward returns a int; return a tensor"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_followed_is_refused_with_path_and_line(case: str) -> None:
    function, message = REFUSED[case]
    place = "Sequential" if case == "number" else r"body, test_record_refusals\.py:\d+"
    with pytest.raises(UnsupportedGraphError, match=f"^{place}: {message}") as caught:
        record(net(function), SHAPE)
    # What keeps all channels by --skip is recorded all the same.
    assert "skip" not in str(caught.value)


def test_a_forward_that_writes_to_its_parameters_is_refused() -> None:
    module = net(written, weight=nn.Parameter(torch.ones(6, 1, 1)))
    with pytest.raises(UnsupportedGraphError, match=r"^body: forward writes to its own parameter or buffer \(mul_\)"):
        record(module, SHAPE)
    assert torch.equal(module.body.weight, torch.ones(6, 1, 1))


def test_hooks_are_refused() -> None:
    module = net(lambda _, x: x)
    handle = module.conv.register_forward_hook(lambda *_: None)
    with pytest.raises(UnsupportedGraphError, match=r"^conv: has a forward hook.*remove the hook first"):
        record(module, SHAPE)
    handle.remove()
    record(module, SHAPE)


class Compiled(nn.Module):
    """What torch.compile gives, without the compiler."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._orig_mod = layer


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize(
    "compiled",
    [
        Compiled,
        pytest.param(torch.compile, marks=pytest.mark.slow),
        lambda layer: torch.jit.trace(layer, torch.ones(1)),
    ],
)
def test_a_compiled_module_is_refused(compiled: Callable[[nn.Module], nn.Module]) -> None:
    with pytest.raises(UnsupportedGraphError, match=r"^1: a compiled module cannot be followed; give what it was made"):
        record(nn.Sequential(nn.Conv2d(4, 4, 1), compiled(nn.ReLU())), SHAPE)


@pytest.mark.parametrize(
    ("module", "place"),
    [
        (nn.Sequential(nn.ReLU(), nn.Conv2d(3, 6, 1)), "1: "),
        (net(lambda _, x: torch._assert(x.shape[1] == 3, "not three channels")), "body, test_record_refusals.py:"),
    ],
    ids=["layer", "assertion"],
)
def test_images_that_the_module_cannot_take_are_named(module: nn.Module, place: str) -> None:
    message = (
        rf"^Sequential: cannot take an image of shape \(4, 6, 6\) \({re.escape(place)}.*; give images of the shape"
    )
    with pytest.raises(UnsupportedGraphError, match=message):
        record(module, SHAPE)


def test_a_module_that_cannot_be_copied_is_named() -> None:
    module = net(lambda _, x: x)
    module.body.handle = (number for number in range(3))
    with pytest.raises(UnsupportedGraphError, match=r"^Sequential: cannot be copied \(cannot pickle"):
        record(module, SHAPE)
