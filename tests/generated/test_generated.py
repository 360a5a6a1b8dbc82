"""Networks that hypothesis composes: none is cut to another function, none crashes, the others are refused in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from operation_names import FOLLOWED, LAYER_CALLS, MOVEMENTS

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.liveness import liveness
from studentsearch.graph.recording.encoding import function_name
from studentsearch.graph.recording.record import record
from studentsearch.graph.trace import trace

from .draft import Draft
from .examine import examine
from .nesting import nested
from .program import Program, images
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


@settings(max_examples=120, **_ANY)
@given(networks())
def test_a_generated_network_is_cut_exactly_or_refused_in_words(program: Program) -> None:
    _insist(program)


@pytest.mark.slow
@settings(max_examples=1500, **_ANY)
@given(networks())
def test_more_generated_networks_are_cut_exactly_or_refused_in_words(program: Program) -> None:
    _insist(program)


def test_the_table_has_every_operation_with_a_rule() -> None:
    known = FOLLOWED | MOVEMENTS | LAYER_CALLS
    assert known - OPERATIONS.keys() == _NOT_WRITTEN
    assert OPERATIONS.keys() <= known | {"Tensor.reshape_as"}  # which is followed as a reshape


_CALL_OTHERS = frozenset({"torch.nn.functional.upsample"})  # it is recorded as the interpolate that it calls
_SHAPES = ((4, 4, 4), (4, 4), (4,), (4, 3, 3, 3), (1, 4))
"""Of inputs: one of them fits every operation."""


@settings(max_examples=1, **_ANY)
@given(st.data())
def test_every_operation_is_generated(data: st.DataObject) -> None:
    missing = [
        name
        for name in OPERATIONS.keys() - _CALL_OTHERS
        if not any(_same(name) & _names(data, name, shape) for shape in _SHAPES)
    ]
    assert missing == []


def _same(name: str) -> set[str]:
    """Names of one operation: some functions have two homes."""
    last = name.rpartition(".")[2]
    return {name} | {f"{home}{last}" for home in ("torch.", "torch.nn.functional.") if f"{home}{last}" in OPERATIONS}


def _names(data: st.DataObject, name: str, shape: tuple[int, ...]) -> set[str]:
    """The operations in a network whose one line after the first is meant to have the operation."""
    draft = Draft(data.draw, [shape])
    draft.emit("x0 * 1.5")
    step(draft, (OPERATIONS[name],), trials=1)
    if draft.num_taken_back:
        return set()
    module = draft.program(draft.values[-1].name).module()
    recording = record(module, shape)
    found = {type(layer).__name__ for layer in recording.modules.values()}
    found |= {
        function_name(node.target) or ""
        for node in recording.graph.nodes
        if node.op in {"call_function", "call_method"}
    }
    if found & _same(name):
        return found
    try:
        return found | {node.operation.name for node in trace(module, shape).nodes}
    except UnsupportedGraphError:
        return found


def test_a_student_that_takes_no_notice_of_its_gates_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(
        shapes=((3, 4, 4),),
        layers=("self.one = nn.Conv2d(3, 4, 3)", "self.two = nn.Conv2d(4, 2, 1)"),
        lines=("x1 = self.one(x0)", "x2 = self.two(x1)"),
        answer="x2",
    )
    assert examine(program).kind == "ok"
    monkeypatch.setattr("generated.examine.scale_weights", lambda *_: {})
    monkeypatch.setattr(
        "generated.examine.liveness", lambda network, sites, is_open: liveness(network, sites, np.ones_like(is_open))
    )
    found = examine(program)
    assert (found.kind, found.is_find) == ("wrong", True)
    assert "closed: the student differs" in found.detail


def test_layers_at_deeper_paths_compute_the_same_and_are_cut() -> None:
    program = Program(
        shapes=((3, 4, 4),),
        layers=("self.layer0 = nn.Conv2d(3, 4, 3)", "self.layer1 = nn.ReLU()", "self.layer2 = nn.Conv2d(4, 2, 1)"),
        lines=("x1 = self.layer0(x0)", "x2 = self.layer1(x1)", "x3 = self.layer2(x2)"),
        answer="x3",
    )
    deeper = nested(program, lambda choices: choices[-1])
    module, (image,) = deeper.module(), images(program.shapes, 2)
    assert next(name for name, _ in module.named_parameters()) == "stage1.0.layer0.0.inner.0.weight"
    assert torch.equal(module(image), program.module()(image))
    assert examine(deeper).kind == "ok"
