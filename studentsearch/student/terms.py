"""Extents as numbers and terms: what equal terms stand for is equal for images of every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from studentsearch.student.windows import size_of


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """An extent that depends on the sizes of the images; the same object wherever it is the same.

    Attributes:
        kind: `image` (an axis of an input), `window` ((base + added) // stride + 1), `spread` (base * stride + added),
            `sum`, `product`, `largest`, or `of` (whatever an operation makes).
        parts: What it is made of.
        number: Which of its network's terms it is, in the order in which they were made.
    """

    kind: str
    parts: tuple[object, ...]
    number: int


_SIZES_TRIED = 300
Extent: TypeAlias = int | Term
Extents: TypeAlias = tuple[Extent, ...]


class Terms:
    """All terms of one network, written in one way wherever that is known."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made: dict[tuple[object, ...], Term] = {}
        self._same: dict[Term, Term] = {}

    def term(self, kind: str, *parts: object) -> Term:
        """The one term of this kind of these parts."""
        return self._made.setdefault((kind, *parts), Term(kind, parts, len(self._made)))

    def window(self, base: Extent, added: int, stride: int) -> Extent:
        """`(base + added) // stride + 1`."""
        if isinstance(base, int):
            return (base + added) // stride + 1
        if (added, stride) == (-1, 1):
            return base
        match base.kind, base.parts:
            case "window", (int() | Term() as inner, int(before), int(first)):
                return self.window(inner, before + first * (1 + added), first * stride)
            case "spread", (int() | Term() as inner, int(first), int(before)) if first % stride == 0:
                return self.spread(inner, first // stride, (before + added) // stride + 1)
            case _:
                return self.term("window", base, added, stride)

    def spread(self, base: Extent, stride: int, added: int) -> Extent:
        """`base * stride + added`."""
        if isinstance(base, int):
            return base * stride + added
        if stride == 1:
            return self.window(base, added - 1, 1)
        match base.kind, base.parts:
            case "spread", (int() | Term() as inner, int(first), int(before)):
                return self.spread(inner, first * stride, before * stride + added)
            case _:
                return self.term("spread", base, stride, added)

    def total(self, kind: str, items: Sequence[Extent]) -> Extent:
        """The sum or product of several."""
        numbers = [item for item in items if isinstance(item, int)]
        others = [item for item in items if not isinstance(item, int)]
        known = sum(numbers)
        if kind == "product":
            known = 1
            for number in numbers:
                known *= number
        if not others:
            return known
        neutral = 1 if kind == "product" else 0
        return others[0] if len(others) == 1 and known == neutral else self.term(kind, known, *others)

    def largest(self, items: Sequence[Extent]) -> Extent:
        """What operands that are repeated to one another make: each is as long as the result, or one long."""
        given: dict[Extent, None] = {}
        for item in map(self.resolved, items):
            parts = item.parts if isinstance(item, Term) and item.kind == "largest" else (item,)
            given |= dict.fromkeys(part for part in parts if isinstance(part, (int, Term)) and part != 1)
        number = next((item for item in given if isinstance(item, int)), None)
        if number is not None or not given:
            return 1 if number is None else number
        terms = sorted((item for item in given if isinstance(item, Term)), key=lambda item: item.number)
        if _are_equal_where_they_fit(terms):
            self._same |= dict.fromkeys(terms[1:], terms[0])
            return terms[0]
        return self.term("largest", *terms)

    def resolved(self, extent: Extent) -> Extent:
        """The extent itself, or one that it must be equal to in this network."""
        return self._same.get(extent, extent) if isinstance(extent, Term) else extent

    def joined(self, operands: Sequence[Extents]) -> Extents:
        """The extents of tensors that are repeated to one another, aligned at their last axes."""
        rank = max(map(len, operands), default=0)
        padded = [((1,) * (rank - len(one)) + one) for one in operands]
        return tuple(self.largest(column) for column in zip(*padded, strict=True))

    def behind(self, positions: Extents, window: tuple[int, ...]) -> Extents:
        """What one window of `layers.Constant` makes of positions."""
        axes = len(window) // 4
        rows = (window[:axes], window[axes : 2 * axes], window[2 * axes : 3 * axes], window[3 * axes : 4 * axes])
        changed = tuple(
            self._through(base, each, window[-1])
            for base, each in zip(positions, zip(*rows, strict=True), strict=False)
        )
        return (*changed, *positions[axes:])

    def _through(self, base: Extent, window: tuple[int, ...], rounding: int) -> Extent:
        kernel, stride, padding, dilation = window
        extent, size = dilation * (kernel - 1) + 1, size_of(stride, padding)
        if rounding == 2:
            return self.spread(base, stride, extent - padding - stride)
        if size is not None:
            return size
        if not rounding:
            return self.window(base, 2 * padding - extent, stride)
        if padding + stride <= extent:  # the last window begins inside
            return self.window(base, 2 * padding - extent + stride - 1, stride)
        return self.term("of", "rounded up", window, base)


def _are_equal_where_they_fit(terms: Sequence[Term]) -> bool:
    """Whether operands that are repeated to one another are as long as one another, wherever that can be done.

    They all grow with one axis of the images, so that one of them is one long for small images alone.

    Args:
        terms: Extents of one axis of each operand.

    Returns:
        False also where that is not known.
    """
    if len(terms) < 2 or len({_axis_of(term) for term in terms}) > 1 or _axis_of(terms[0]) is None:
        return len(terms) == 1
    lengths = ([_length(term, size) for term in terms] for size in range(1, _SIZES_TRIED))
    fitting = [set(each) for each in lengths if min(each) > 0 and set(each) <= {1, max(each)}]
    return bool(fitting) and all(len(each) == 1 for each in fitting)


def _axis_of(extent: object) -> Term | None:
    """The axis of an image that an extent follows from by windows and spreads alone."""
    while isinstance(extent, Term) and extent.kind in {"window", "spread"}:
        extent = extent.parts[0]
    return extent if isinstance(extent, Term) and extent.kind == "image" else None


def _length(term: Term, size: int) -> int:
    match term.kind, term.parts:
        case "window", (Term() as base, int(added), int(stride)):
            return (_length(base, size) + added) // stride + 1
        case "spread", (Term() as base, int(stride), int(added)):
            return _length(base, size) * stride + added
        case _:
            return size
