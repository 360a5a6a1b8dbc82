import math
import operator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import decode, resolve, write
from studentsearch.graph.recording.encoding import encode, function_name


@pytest.mark.parametrize(
    ("spellings", "name"),
    [
        ((operator.add, torch.add, "add"), "torch.add"),
        ((operator.truediv, torch.div, "div"), "torch.div"),
        ((torch.cat, torch.concat, torch.concatenate), "torch.cat"),
        (("view", "reshape", torch.reshape), "torch.reshape"),
        ((torch.relu, "relu"), "torch.relu"),
        ((F.relu,), "torch.nn.functional.relu"),
        ((F.conv2d, torch.conv2d), "torch.conv2d"),
        ((torch.special.erf, torch.erf, "erf"), "torch.erf"),
        ((torch.special.entr,), "torch.special.entr"),
        ((torch.fft.fft2,), "torch.fft.fft2"),
        (("expand",), "Tensor.expand"),
        ((operator.getitem,), "operator.getitem"),
    ],
)
def test_one_operation_has_one_name_and_is_found_by_it(spellings: tuple[object, ...], name: str) -> None:
    assert {function_name(spelling) for spelling in spellings} == {name}
    assert callable(resolve(name))


def test_what_is_not_torchs_has_no_name() -> None:
    assert function_name(math.sqrt) is None
    assert function_name("no_such_method") is None
    assert function_name(type("Unhashable", (), {"__eq__": lambda *_: True})()) is None


def test_a_function_that_torch_lacks_is_refused() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"^torch.nothing: torch .* has no such function; use the version"):
        resolve("torch.nothing")


ARGUMENTS = [
    ((1, 2.5, True, None, "mean"), "(1, 2.5, True, None, 'mean')"),
    ((slice(None), slice(1, None, 2), Ellipsis), "(slice(None, None, None), slice(1, None, 2), ...)"),
    ((torch.float64, (-math.inf, math.inf)), '(torch.float64, (float("-inf"), float("inf")))'),
    ({"logits": (3,), "map": 4}, "{'logits': (3,), 'map': 4}"),
]


@pytest.mark.parametrize(("value", "text"), ARGUMENTS)
def test_arguments_come_back_from_plain_values_and_from_source(value: object, text: str) -> None:
    argument = encode(value, lambda _: 0, batch=1009)
    assert decode(argument, [], 2) == value
    assert write(argument, [], "batch") == text
    assert eval(text) == value


def test_tensors_and_the_batch_are_places() -> None:
    graph = fx.Graph()
    nodes = [graph.placeholder(name) for name in ("x", "y")]
    argument = encode(([nodes[1], nodes[0]], 2018, 1009, 12), nodes.index, batch=1009)
    assert argument == ((("$input", 1), ("$input", 0)), ("$batch", 2), ("$batch", 1), 12)
    assert decode(argument, ["first", "second"], 5) == (("second", "first"), 10, 5, 12)
    assert write(argument, ["x", "y"], "x.shape[0]") == "((y, x), 2 * x.shape[0], x.shape[0], 12)"


def test_a_device_is_left_out() -> None:
    assert encode(torch.device("cpu"), lambda _: 0, batch=7) is None


def test_what_cannot_be_written_down_is_refused() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"^an argument of type Tensor; numbers, .*; compute it from these"):
        encode(Tensor([1.0]), lambda _: 0, batch=7)
