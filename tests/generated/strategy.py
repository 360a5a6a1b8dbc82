"""The strategy: a network of a few lines, each an operation of the table on tensors that the lines before made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from hypothesis import assume
from hypothesis import strategies as st

from . import movements, pointwise, weighted
from .draft import Draft, Value
from .nesting import nested, residual
from .pointwise import Maker
from .program import Program, Shape, images, tensors_of

OPERATIONS: dict[str, Maker] = {
    **pointwise.POINTWISE,
    **pointwise.JOINS,
    **weighted.READERS,
    **weighted.NORMS,
    **weighted.POSITIONS,
    **weighted.PRODUCTS,
    **movements.SIDE_BY_SIDE,
    **movements.MOVES,
}
"""For the name of every rule what writes a line with that operation."""
_MOST_LINES = 8
_TRIALS = 3
_SIDES = (4, 3, 2, 6, 5)


def _again(draft: Draft, x: Value) -> None:
    """A layer that is there is called again, on the same tensor or on another."""
    draft.emit(f"{draft.pick(draft.called[::-1])}({x})")


def _shared_tensors(draft: Draft, x: Value) -> None:
    """A layer whose tensors are those of a convolution or linear layer that is there."""
    known = draft.pick(draft.called[::-1])
    other = draft.layer(f"copy.deepcopy({known})")
    draft.setup(f"{other}.weight, {other}.bias = {known}.weight, {known}.bias")
    draft.emit(f"{other}({x})")


_FAMILIES: tuple[tuple[int, Sequence[Maker]], ...] = (
    (6, (weighted.reader,)),
    (1, tuple(weighted.READERS.values())),
    (2, tuple(pointwise.POINTWISE.values())),
    (3, (*pointwise.JOINS.values(), pointwise.JOINS["Add"], pointwise.JOINS["torch.mul"])),
    (1, tuple(pointwise.OTHER_SPELLINGS.values())),
    (3, tuple(weighted.NORMS.values())),
    (2, tuple(weighted.POSITIONS.values())),
    (1, tuple(weighted.PRODUCTS.values())),
    (2, tuple(movements.SIDE_BY_SIDE.values())),
    (4, (*movements.MOVES.values(), *movements.OTHER_MOVES.values())),
    (1, (_again, _again, _shared_tensors)),
    (1, (residual,)),
)
_WEIGHTED = tuple(family for weight, family in _FAMILIES for _ in range(weight))


def input_shapes(pick: Callable[[Sequence[int]], int]) -> tuple[Shape, ...]:
    """One or two inputs whose sizes often coincide with each other and with numbers of channels."""
    side = pick(_SIDES)
    channels = pick((3, side, side, 1, 2))
    rank = pick((3, 3, 3, 2, 4, 1))
    if rank == 4:
        side = min(side, 3)
    last = pick((side, side, side + 1))
    shape = (channels, *(side for _ in range(rank - 2)), last) if rank > 1 else (channels * side,)
    return (shape,) * pick((1, 1, 1, 2))


def _stem(draft: Draft) -> None:
    """A first reader of every input, so that a gate can sit behind it."""
    for x in draft.values[:]:
        kind = {1: "Linear", 2: "Conv1d", 3: "Conv2d", 4: "Conv3d"}[x.rank]
        kind = draft.pick((kind, kind, kind, "Linear"))
        with draft.attempt():
            OPERATIONS[kind](draft, x)


def step(draft: Draft, makers: Sequence[Maker], *, trials: int = _TRIALS) -> None:
    """One more line, if it fits."""
    for _ in range(trials):
        maker = draft.pick(makers)
        recent = draft.values[::-1]
        x = recent[draft.pick((0, 0, 0, 1, 2, 3)) % len(recent)]
        before = draft.num_taken_back
        draft.axis = x.axis
        with draft.attempt():
            maker(draft, x)
        if draft.num_taken_back == before:
            return


def _answer(draft: Draft) -> str:
    """What forward returns: the last tensor or logits of it, and at times others, as a tuple or by name."""
    last = draft.values[-1]
    if last.rank > 1 and last.axis == 0 and draft.chance():
        with draft.attempt():
            last = draft.emit(f"{last}.mean({tuple(range(2, last.rank + 1))})")
    if not draft.chance(4):
        with draft.attempt():
            draft.axis = last.axis
            weighted.reader(draft, last)
    ends = draft.loose_ends()
    assume(ends)  # a network whose every tensor is read again has nothing to return
    first, *others = ends
    if not others or draft.chance(4):
        return first.name
    other = draft.pick(others)
    return draft.pick((f"({first}, {other})", f'{{"logits": {first}, "other": {other}}}', f"({first}, [{other}])"))


@st.composite
def networks(draw: Callable[[st.SearchStrategy[object]], object]) -> Program:
    """A network that runs."""

    def pick(choices: Sequence[int]) -> int:
        return draw(st.sampled_from(choices))  # type: ignore[return-value]

    draft = Draft(draw, input_shapes(pick))
    _stem(draft)
    if not draft.chance(4):
        step(draft, (weighted.reader,))
    for _ in range(pick(range(1, _MOST_LINES + 1))):
        step(draft, draft.pick(_WEIGHTED))
    program = nested(draft.program(_answer(draft)), pick)
    assume(_takes_one_image(program))
    return program


def _takes_one_image(program: Program) -> bool:
    """Whether the network answers one image as it answers several: some norms refuse it, squeeze() drops the batch."""
    module = program.module()
    try:
        with torch.no_grad():
            one, two = (tensors_of(module(*images(program.shapes, number))) for number in (1, 2))
    except (IndexError, RuntimeError, ValueError):
        return False
    return all(tensor.shape == (1, *other.shape[1:]) for tensor, other in zip(one, two, strict=True))
