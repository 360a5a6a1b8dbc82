"""docs/reference/graph_rules.md names every operation of the table, and its example works."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
import torch
from micro_case import EXACT, Case, answers, assert_near, exported
from micro_nets import Forward, MicroNet, conv, linear, randomised
from operation_names import FOLLOWED, LAYER_CALLS, MOVEMENTS, RECORDS, UNGATED
from torch import Tensor, nn

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "graph_rules.md").read_text()


def spelled(names: AbstractSet[str]) -> str:
    """Operations as the page writes them, layers first."""
    short = {name.replace("torch.nn.functional.", "F.").replace("operator.getitem", "x[...]") for name in names}
    return ", ".join(f"`{name}`" for name in sorted(short, key=lambda name: ("." in name, name)))


def rows() -> list[str]:
    """What the page's table says of every rule: the first line of its docstring, and its operations."""
    operations: dict[str, set[str]] = {}
    for record in RECORDS:
        if record.name in FOLLOWED:
            assert record.propagate is not None
            assert record.propagate.__doc__
            operations.setdefault(record.propagate.__doc__.splitlines()[0], set()).add(record.name)
    return [f"| {says} | {spelled(names)} |" for says, names in operations.items()]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[2:40])
def test_every_rule_stands_on_the_page(row: str) -> None:
    assert row in PAGE


def test_movements_and_calls_with_weights_stand_on_the_page() -> None:
    assert spelled(set(MOVEMENTS)) in PAGE
    assert spelled(set(LAYER_CALLS)) in PAGE


def test_the_closed_list_stands_on_the_page() -> None:
    layers = {record.name for record in RECORDS if not record.is_function and record.propagate is None}
    assert spelled(UNGATED | layers - {"Input", "Parameter"}) in PAGE


def accumulated(m: nn.Module, x: Tensor) -> Tensor:
    x = m.one(m.stem(x))
    return m.head(torch.special.expit(m.two(torch.cumsum(x, 3) + torch.cumsum(x, 1))).mean((2, 3)))


@pytest.mark.usefixtures("own_table")
def test_the_example_teaches_its_operations() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    exec(example, {})
    layers = {"stem": conv(3, 4), "one": conv(4, 5), "two": conv(5, 4), "head": linear(4, 2)}
    module = randomised(Forward(accumulated, layers))
    case = Case(MicroNet(module=module, shapes=((3, 8, 8),), larger=None, gap=0.0))
    for gates in case.settings(6):
        assert_near(answers(exported(case.cut(gates)), case.images), case.gated(gates, case.images), EXACT)
