"""Every operation of docs/reference/graph_rules.md, in a network of its own: trace, gates, cut and comparison."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from listed_nets import LISTED, PASSED_ON, listed_net
from micro_case import EXACT, Case, answers, assert_near, exported, written

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "graph_rules.md").read_text()
EVERY = 10  # of all operations so many are tried in the default suite, one each
_ROUNDED = {"Tensor.float": 1e-6}  # a student keeps the type that it has, which is float64 here


CASES = [
    pytest.param(name, marks=pytest.mark.slow if place % EVERY else ()) for place, name in enumerate(sorted(LISTED))
]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_the_operation_passes(name: str) -> None:
    case = Case(listed_net(name))
    assert case.num_gates
    generator = torch.Generator().manual_seed(4)
    for share in (0.0, 0.5, 1.0):
        scales = 0.2 + torch.rand(case.num_gates, generator=generator, dtype=torch.float64)
        gates = scales * (torch.rand(case.num_gates, generator=generator) >= share)
        student = case.cut(gates)
        for module in (exported(student), written(student)):
            assert_near(answers(module, case.images), case.gated(gates, case.images), _ROUNDED.get(name, EXACT))


def test_all_that_the_page_names_is_tried() -> None:
    short = {name.replace("torch.nn.functional.", "F.").replace("operator.getitem", "x[...]") for name in LISTED}
    short |= {name.rpartition(".")[2] for name in PASSED_ON}
    table = PAGE[PAGE.index("| what happens") : PAGE.index("## What happens in training alone")]
    movements = PAGE[PAGE.index("## Movements") : PAGE.index("Such an operation is run")]
    rows = [row.rpartition("|  ")[0] or row for row in table.splitlines() if row.startswith("| ")]
    named = {name for row in (*rows, movements) for name in re.findall(r"`([A-Za-z][\w.]*|x\[\.\.\.\])`", row)}
    assert named - short <= {"Output", "Constant"}
