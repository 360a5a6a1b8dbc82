"""Networks whose modules and parameters have odd names: a student is written and read again, or refused in one line."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from campaigns.hostile_folders import ORIGIN
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.names import is_step_name, step_name
from studentsearch.records.student import StudentFacts
from studentsearch.student.check import check_cut
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import read_student, write_student
from studentsearch.student.plain import plain_network, whole_network

SHAPE = (1, 8, 8)
LAYERS = (
    "a b",
    "a-b",
    "a/b",
    "0",
    "\xfcn\xef",
    "torch",
    "F",
    "nn",
    "_x",
    "print",
    "{x}",
    "relu",
    "x",
    "Student",
    "y" * 300,
)
PARAMETERS = ("F", "torch", "0", "nn", "x y", "slice", "getattr", "x", "Tensor")
REFUSED = ("class", "lambda", "self", "graph", "code", "meta", "\ufb01", "a'b", 'a"b', "a\\b", "a\nb", "__x")


class Named(nn.Module):
    """A layer and a parameter of any names, and numbers that JSON lacks."""

    def __init__(self, layer: str, parameter: str) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 10)
        self.bound = nn.Hardtanh(0.0, float("inf"))
        self.add_module(layer, nn.Conv2d(4, 4, 1))
        self.register_parameter(parameter, nn.Parameter(torch.rand(4, 1, 1)))
        self.names = layer, parameter

    def forward(self, images: Tensor) -> Tensor:
        layer, parameter = self.names
        found = F.relu(self._modules[layer](self.stem(images))) * self._parameters[parameter]  # type: ignore[misc]
        return self.head(self.bound(F.hardtanh(found, 0.0, float("inf"))).mean((2, 3)))


def assert_written_and_read(net: nn.Module, folder: Path) -> None:
    plain = plain_network(net.eval(), SHAPE, skip=("*",))
    whole = whole_network(plain.network, plain.module.state_dict())
    counts = count_everything(plain.module, plain.network)
    images = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    check = check_cut(plain.module, whole.tensors, whole, macs=counts.macs, images=images)
    record = StudentFacts(origin=ORIGIN, counts=counts, teacher_counts=counts, check=check, blocks=())
    write_student(folder, whole, record)
    found = importlib.util.spec_from_file_location("model", folder / "model.py")
    assert found is not None
    assert found.loader is not None
    source = importlib.util.module_from_spec(found)
    found.loader.exec_module(source)
    with torch.no_grad():
        expected = read_student(folder).module(images)
        assert torch.equal(source.build()(images), expected)
        assert (net(images) - expected).abs().max() <= 1e-5 * expected.abs().max()  # float32, other kernels


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_an_odd_name(name: str, tmp_path: Path) -> None:
    assert_written_and_read(Named(name, "scale"), tmp_path)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_of_an_odd_name(name: str, tmp_path: Path) -> None:
    assert_written_and_read(Named("inner", name), tmp_path)


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_source_code_cannot_have_is_refused_when_the_network_is_opened(name: str) -> None:
    with pytest.raises(
        UnsupportedGraphError, match=r"no student could be written: step \d+ .* holds .*; rename the part$"
    ):
        plain_network(Named(name, "scale").eval(), SHAPE)


@pytest.mark.parametrize("text", [*LAYERS, *PARAMETERS, *REFUSED, "", "1", "__class__", "a.b", "None", "\U0001f600"])
def test_every_text_gives_a_name(text: str) -> None:
    assert is_step_name(step_name(text))


class Size(NamedTuple):
    """A size with names, as networks hand it to functions of torch."""

    height: int
    width: int


class Resized(nn.Module):
    """A network that calls a function with a named tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 10)

    def forward(self, images: Tensor) -> Tensor:
        resized = F.interpolate(self.stem(images), size=Size(height=4, width=4))
        return self.head(resized.mean((2, 3)))


def test_a_named_tuple_that_a_function_is_given_is_written_as_a_plain_one(tmp_path: Path) -> None:
    assert_written_and_read(Resized(), tmp_path)
