"""The closed tables of what a student may be made of."""

from pathlib import Path

import pytest
import torch
from campaigns.hostile_folders import called, write_good
from operation_names import UNGATED

from studentsearch.errors import InputFileError, UnsupportedGraphError
from studentsearch.graph.arguments import resolve
from studentsearch.graph.network import Operation, call
from studentsearch.graph.operations.operation_record import elementwise_operation
from studentsearch.graph.operations.table import function_of, is_permitted, use_operation
from studentsearch.student.folder import read_student


@pytest.mark.parametrize("name", sorted(UNGATED))
def test_every_listed_function_is_there_and_is_one(name: str) -> None:
    assert is_permitted(call(name))
    assert callable(resolve(name))
    assert not name.endswith("_") or name.endswith("__")  # torch's functions that write in place


@pytest.mark.parametrize(
    "name", ["torch.nn.Module", "torch.__loader__.load_module", "None.x", "x", "", ".relu", "Tensor."]
)
def test_other_names_are_no_functions(name: str) -> None:
    with pytest.raises(UnsupportedGraphError, match="has no such function"):
        resolve(name)
    with pytest.raises(UnsupportedGraphError, match=r"none that a student may contain; teach one"):
        function_of(call(name))


def test_layers_without_a_rule_are_a_closed_list() -> None:
    kinds = {name for name in dir(torch.nn) if is_permitted(Operation(kind=name))}
    assert {"Conv2d", "Bilinear", "Fold", "Flatten"} <= kinds
    assert not kinds & {"Module", "Sequential", "LSTM", "Embedding", "Transformer", "ModuleDict", "DataParallel"}


@pytest.mark.usefixtures("own_table")
def test_a_taught_function_is_permitted_where_it_was_taught(tmp_path: Path) -> None:
    write_good(tmp_path)
    called("torch.special.bessel_j0", [["$input", 0]]).write(tmp_path)
    with pytest.raises(InputFileError, match=r"'torch\.special\.bessel_j0' has no record .*use_operation teaches one"):
        read_student(tmp_path)
    use_operation(elementwise_operation("torch.special.bessel_j0"))
    assert read_student(tmp_path).module(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
