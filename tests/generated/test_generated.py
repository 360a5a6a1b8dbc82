"""Networks that hypothesis composes: none is cut to another function, none crashes, the others are refused in words."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import function_name
from studentsearch.graph.describe import WEIGHTED_CALLS
from studentsearch.graph.movement import MOVEMENTS, PIECES
from studentsearch.graph.record import record
from studentsearch.graph.rules import RULES
from studentsearch.graph.trace import trace

from .draft import Draft
from .examine import examine
from .program import Program
from .strategy import OPERATIONS, networks, step

_ANY = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "print_blob": False,
    "phases": (Phase.generate,),
    "suppress_health_check": list(HealthCheck),
}
# What no line of a network can be: made of others by the trace, or by students alone.
_NOT_WRITTEN = frozenset({"Output", "Select", "Constant", "Tensor.reshape"})


def _insist(program: Program) -> None:
    outcome = examine(program)
    assert not outcome.is_find, f"{outcome.kind}: {outcome.reason}\n{program}\n{outcome.detail}"


@settings(max_examples=80, **_ANY)
@given(networks())
def test_a_generated_network_is_cut_exactly_or_refused_in_words(program: Program) -> None:
    _insist(program)


@pytest.mark.slow
@settings(max_examples=1500, **_ANY)
@given(networks())
def test_more_generated_networks_are_cut_exactly_or_refused_in_words(program: Program) -> None:
    _insist(program)


def test_the_table_has_every_operation_with_a_rule() -> None:
    known = RULES.keys() | MOVEMENTS | PIECES | WEIGHTED_CALLS.keys()
    assert known - OPERATIONS.keys() == _NOT_WRITTEN
    assert OPERATIONS.keys() <= known | {"Tensor.reshape_as"}  # which is followed as a reshape


def _shapes_for(name: str) -> tuple[tuple[int, ...], ...]:
    """Shapes of which one fits the operation."""
    return ((4, 4), (4, 4, 4), (4,), (4, 3, 3, 3), (1, 4))


@settings(max_examples=1, **_ANY)
@given(st.data())
def test_every_operation_is_generated(data: st.DataObject) -> None:
    missing = []
    for name, maker in OPERATIONS.items():
        if not any(name in _names(data, name, shape) for shape in _shapes_for(name)):
            missing.append(name)
        del maker
    assert missing == []


def _names(data: st.DataObject, name: str, shape: tuple[int, ...]) -> set[str]:
    """The operations in a network whose one line after the first is meant to have the operation."""
    draft = Draft(data.draw, [shape])
    draft.emit("x0 * 1.5")
    before = draft.num_taken_back
    step(draft, (OPERATIONS[name],))
    if draft.num_taken_back > before:
        return set()
    module = draft.program(draft.values[-1].name).module()
    found = {function_name(node.target) or "" for node in record(module, shape).graph.nodes if node.op[:6] == "call_f"}
    try:
        nodes = trace(module, shape).nodes
    except UnsupportedGraphError:
        return found
    return found | {node.operation.name for node in nodes}


def test_the_oracle_notices_a_network_that_is_cut_wrongly() -> None:
    """Of what the masks are: a reader whose gates are closed reads zeros."""
    program = Program(
        shapes=((3, 4, 4),),
        layers=("self.one = nn.Conv2d(3, 4, 3)", "self.two = nn.Conv2d(4, 2, 1)"),
        lines=("x1 = self.one(x0)", "x2 = self.two(x1)"),
        answer="x2",
    )
    assert examine(program).kind == "ok"
    assert torch.is_tensor(program.module().two.weight)
