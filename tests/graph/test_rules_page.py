"""docs/graph_rules.md names every operation of the table, and its example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from micro_case import EXACT, Case, answers, assert_near, exported
from micro_nets import Forward, MicroNet, conv, linear, randomised
from torch import Tensor, nn

from studentsearch.graph import rules
from studentsearch.graph.recording.describe import WEIGHTED_CALLS
from studentsearch.graph.recording.movement import MOVEMENTS, PIECES
from studentsearch.graph.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "graph_rules.md").read_text()


def spelled(names: set[str]) -> str:
    """Operations as the page writes them, layers first."""
    short = {name.replace("torch.nn.functional.", "F.").replace("operator.getitem", "x[...]") for name in names}
    return ", ".join(f"`{name}`" for name in sorted(short, key=lambda name: ("." in name, name)))


def rows() -> list[str]:
    """What the page's table says of every rule: the first line of its docstring, and its operations."""
    operations: dict[str, set[str]] = {}
    for name, rule in RULES.items():
        assert rule.__doc__
        operations.setdefault(rule.__doc__.splitlines()[0], set()).add(name)
    return [f"| {says} | {spelled(names)} |" for says, names in operations.items()]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[2:40])
def test_every_rule_stands_on_the_page(row: str) -> None:
    assert row in PAGE


def test_movements_and_calls_with_weights_stand_on_the_page() -> None:
    assert spelled(set(MOVEMENTS | PIECES)) in PAGE
    assert spelled(set(WEIGHTED_CALLS)) in PAGE


def accumulated(m: nn.Module, x: Tensor) -> Tensor:
    x = m.one(m.stem(x))
    return m.head(torch.special.expit(m.two(torch.cumsum(x, 3) + torch.cumsum(x, 1))).mean((2, 3)))


def test_the_example_teaches_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    table = dict(RULES)
    monkeypatch.setattr(rules, "_RULES", table)
    monkeypatch.setattr(rules, "RULES", table)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    exec(example, {})
    layers = {"stem": conv(3, 4), "one": conv(4, 5), "two": conv(5, 4), "head": linear(4, 2)}
    module = randomised(Forward(accumulated, layers))
    case = Case(MicroNet(module=module, shapes=((3, 8, 8),), larger=None, gap=0.0))
    for gates in case.settings(6):
        assert_near(answers(exported(case.cut(gates)), case.images), case.gated(gates, case.images), EXACT)
