"""The layers of a network at deeper paths: in modules of modules, in `nn.Sequential`, and in parts with a forward."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from .draft import Draft, MisfitError, Value
from .program import Program

Pick = Callable[[Sequence[int]], int]
_LAYER = re.compile(r"^self\.(layer\d+) = (.+)$")
_CALL = re.compile(r"^(x\d+) = self\.(layer\d+)\((x\d+)\)$")
_SEQUENTIAL = (
    "nn.Sequential({first}, {second})",
    "nn.Sequential(nn.Sequential({first}), {second})",
    "nn.Sequential(nn.Identity(), nn.Sequential(nn.Sequential({first}, {second})))",
    'nn.Sequential(OrderedDict(inner=nn.ModuleDict({{"a": {first}}})["a"], outer=nn.Sequential({second})))',
    "Part({first}, {second})",
    "nn.Sequential(Part({first}, {second}))",
)
_PLACES = ("", "stage0.", "stage0.inner.", "stage1[0].")
_STAGES = {
    "stage0.": ("self.stage0 = nn.Module()",),
    "stage0.inner.": ("self.stage0 = nn.Module()", "self.stage0.inner = nn.Module()"),
    "stage1[0].": ("self.stage1 = nn.Sequential(nn.Module())",),
}


def residual(draft: Draft, x: Value) -> None:
    """A part with a forward of its own that adds what its layer makes to what it reads."""
    if x.rank not in {2, 3}:
        raise MisfitError
    channels = x.shape[0]
    draft.axis = 0
    draft.apply(f"Residual(nn.Conv{x.rank - 1}d({channels}, {channels}, 3, padding=1))", x)


def nested(program: Program, pick: Pick) -> Program:
    """A network with its layers elsewhere: it computes the same.

    Args:
        program: One whose layers are attributes of the network itself.
        pick: Draws one of several; the first is the simplest.

    Returns:
        The network with some pairs of layers as one part, and some layers in modules of modules.
    """
    while pick((0, 0, 1)):
        pairs = _pairs(program)
        if not pairs:
            break
        program = _joined(program, pairs[pick(range(len(pairs)))], _SEQUENTIAL[pick(range(len(_SEQUENTIAL)))])
    if not pick((0, 0, 1)):
        return program
    places = {match[1]: _PLACES[pick(range(len(_PLACES)))] for match in map(_LAYER.match, program.layers) if match}
    setups = dict.fromkeys(line for place in places.values() if place for line in _STAGES[place])

    def moved(line: str) -> str:
        return re.sub(r"self\.(layer\d+)\b", lambda match: f"self.{places.get(match[1], '')}{match[1]}", line)

    return replace(
        program,
        layers=(*setups, *(moved(line) for line in program.layers)),
        lines=tuple(moved(line) for line in program.lines),
    )


def _pairs(program: Program) -> list[int]:
    """Places of lines that call a layer on the result of the line before, both for no other use."""
    calls = [_CALL.match(line) for line in program.lines]
    text = "\n".join((*program.layers, *program.lines, program.answer))
    return [
        place
        for place, (one, two) in enumerate(pairwise(calls))
        if one is not None
        and two is not None
        and one[1] == two[3]
        and len(re.findall(rf"\b{one[1]}\b", text)) == 2
        and all(len(re.findall(rf"\b{call[2]}\b", text)) == 2 for call in (one, two))
    ]


def _joined(program: Program, place: int, template: str) -> Program:
    """The layers of two lines as one, which stands where the first did."""
    one, two = (_CALL.match(program.lines[place + number]) for number in (0, 1))
    assert one is not None
    assert two is not None
    made = {match[1]: match[2] for match in map(_LAYER.match, program.layers) if match}
    part = f"self.{one[2]} = {template.format(first=made[one[2]], second=made[two[2]])}"
    layers = [part if line.startswith(f"self.{one[2]} = ") else line for line in program.layers]
    return replace(
        program,
        layers=tuple(line for line in layers if not line.startswith(f"self.{two[2]} = ")),
        lines=(*program.lines[:place], f"{two[1]} = self.{one[2]}({one[3]})", *program.lines[place + 2 :]),
    )
