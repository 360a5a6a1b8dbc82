"""A network while it is drawn: each line is run on real tensors at once, so that its shapes are known and it works."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from .program import NAMES, Program, Shape, randomised

BATCH = 7
"""Images that a network is drawn with: no size that is drawn, so that it stands for the batch alone."""
LARGEST = 700
MOST_AXES = 4
_Drawn = TypeVar("_Drawn")


class MisfitError(Exception):
    """A line that cannot stand in the network; it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A tensor of the network.

    Attributes:
        name: Its name in forward.
        shape: Without the batch.
        axis: Where its channels probably are, for the choice of what reads it.
        is_input: Whether it is an image.
    """

    name: str
    shape: Shape
    axis: int = 0
    is_input: bool = False

    @property
    def rank(self) -> int:
        """Its axes without the batch."""
        return len(self.shape)

    def __str__(self) -> str:
        return self.name


class Draft:
    """The lines of a network so far, and the tensors that they made."""

    def __init__(self, draw: Callable[[st.SearchStrategy[object]], object], shapes: Sequence[Shape]) -> None:
        self._draw = draw
        self._module = nn.Module()
        self._space: dict[str, object] = {**NAMES, "self": self._module}
        self._shapes = tuple(shapes)
        self._layers: list[str] = []
        self._lines: list[str] = []
        self._num_names = len(shapes)
        self.called: list[str] = []
        self.num_taken_back = 0
        self.axis = 0
        self.parameters: dict[str, Shape] = {}
        self.values: list[Value] = []
        generator = torch.Generator().manual_seed(0)
        for place, shape in enumerate(shapes):
            self._space[f"x{place}"] = torch.randn(BATCH, *shape, generator=generator, dtype=torch.float64)
            self.values.append(Value(name=f"x{place}", shape=shape, is_input=True))

    def pick(self, choices: Sequence[_Drawn]) -> _Drawn:
        """One of several; the first is the simplest."""
        if not choices:
            raise MisfitError
        return self._draw(st.sampled_from(choices))  # type: ignore[return-value,arg-type]

    def chance(self, one_in: int = 2) -> bool:
        """Whether something that is not needed happens."""
        return self.pick([False] * (one_in - 1) + [True])

    @property
    def num_setups(self) -> int:
        """Lines of `__init__` so far."""
        return len(self._layers)

    def layer(self, constructor: str) -> str:
        """A new layer, as forward calls it."""
        name = f"layer{len(self._layers)}"
        made = self._evaluated(constructor)
        assert isinstance(made, nn.Module)
        # Not as torch draws them: whether a line fits may depend on the numbers, and must not change.
        setattr(self._module, name, randomised(made.double().eval(), torch.Generator().manual_seed(len(self._layers))))
        self._layers.append(f"self.{name} = {constructor}")
        self.called.append(f"self.{name}")
        return f"self.{name}"

    def setup(self, line: str) -> None:
        """A line of `__init__`."""
        self._execute(line)
        self._layers.append(line)

    def parameter(self, shape: Shape, *, may_share: bool = True) -> str:
        """A parameter or buffer of the network itself, a new one or one that is there."""
        known = [name for name, own in self.parameters.items() if own == shape]
        if may_share and known and self.chance(3):
            return self.pick(known)
        name = f"table{len(self.parameters)}"
        if self.chance(4):
            self.setup(f'self.register_buffer("{name}", torch.ones({shape}))')
        else:
            self.setup(f"self.{name} = nn.Parameter(torch.ones({shape}))")
        self._module.to(torch.float64)
        self.parameters[f"self.{name}"] = shape
        return f"self.{name}"

    def emit(self, expression: str) -> Value:
        """A line that makes one tensor."""
        result = self._evaluated(expression)
        shape = self._shape(result)
        (name,) = self._names(1)
        self._space[name] = result
        self._lines.append(f"{name} = {expression}")
        self.values.append(self._value(name, shape))
        return self.values[-1]

    def apply(self, constructor: str, x: Value | str) -> Value:
        """A line that calls a new layer on a tensor."""
        return self.emit(f"{self.layer(constructor)}({x})")

    def emit_pieces(self, expression: str) -> None:
        """A line that makes several tensors."""
        results = self._evaluated(expression)
        if not isinstance(results, (tuple, list)):
            raise MisfitError
        shapes = [self._shape(result) for result in results]
        names = self._names(len(results))
        self._space |= dict(zip(names, results, strict=True))
        self._lines.append(f"{', '.join(names)}{',' if len(names) == 1 else ''} = {expression}")
        self.values += [self._value(name, shape) for name, shape in zip(names, shapes, strict=True)]

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Take back what was written if a line does not fit."""
        lengths = [len(items) for items in (self._layers, self._lines, self.called, self.values)]
        tables = dict(self.parameters)
        held = {value.name: cast(Tensor, self._space[value.name]) for value in self.values}
        before = {name: tensor.clone() for name, tensor in held.items()}
        try:
            yield
        except MisfitError:
            self.num_taken_back += 1
            for items, length in zip((self._layers, self._lines, self.called, self.values), lengths, strict=True):
                del items[length:]
            self.parameters = tables
            for name, tensor in held.items():
                if not torch.equal(tensor, before[name]):
                    tensor.copy_(before[name])

    def program(self, answer: str) -> Program:
        """The network."""
        return Program(shapes=self._shapes, layers=tuple(self._layers), lines=tuple(self._lines), answer=answer)

    def loose_ends(self) -> list[Value]:
        """Tensors that no line reads, the last first."""
        read = set(re.findall(r"\bx\d+\b", " ".join(line.partition(" = ")[2] for line in self._lines)))
        return [value for value in reversed(self.values) if value.name not in read and not value.is_input]

    def _value(self, name: str, shape: Shape) -> Value:
        return Value(name=name, shape=shape, axis=min(self.axis, len(shape) - 1))

    def _names(self, number: int) -> list[str]:
        self._num_names += number
        return [f"x{place}" for place in range(self._num_names - number, self._num_names)]

    def _evaluated(self, expression: str) -> object:
        try:
            with torch.no_grad():
                return eval(expression, self._space)
        except Exception as error:  # whatever torch does not take is no network
            raise MisfitError from error

    def _execute(self, line: str) -> None:
        try:
            exec(line, self._space)
        except Exception as error:
            raise MisfitError from error

    def _shape(self, result: object) -> Shape:
        if not isinstance(result, Tensor) or not result.is_floating_point() or not result.isfinite().all():
            raise MisfitError
        shape = tuple(result.shape[1:])
        is_small = len(shape) <= MOST_AXES and 0 < math.prod(shape) <= LARGEST
        if result.dim() < 2 or result.shape[0] != BATCH or not is_small or result.abs().max() > 1e6:
            raise MisfitError
        return shape
