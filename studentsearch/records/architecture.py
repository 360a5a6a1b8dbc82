"""A student's forward pass, step by step, as config.json holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from msgspec import Meta

from studentsearch.records.bounds import Text

_MAX_NESTING = 10

_Scalar: TypeAlias = bool | int | float | str | None
if TYPE_CHECKING:
    Argument: TypeAlias = "_Scalar | tuple[Argument, ...]"
else:
    # The decoder has no recursive types: a type as deep as arguments may be nested.
    Argument = Annotated[int, Meta(ge=-(2**53), le=2**53)] | bool | float | Text | None
    for _ in range(_MAX_NESTING):
        Argument = Annotated[int, Meta(ge=-(2**53), le=2**53)] | bool | float | Text | None | tuple[Argument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of a student's forward pass as it stands in config.json, see `studentsearch.student.spec.Step`."""

    name: Text
    kind: Text
    path: Text
    inputs: tuple[Text, ...]
    arguments: dict[Text, Argument]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureRecord:
    """A student's forward pass as it stands in config.json."""

    input_shapes: Annotated[
        tuple[Annotated[tuple[Annotated[int, Meta(ge=1, le=2**20)], ...], Meta(min_length=1, max_length=5)], ...],
        Meta(min_length=1, max_length=16),
    ]
    steps: Annotated[tuple[StepRecord, ...], Meta(min_length=1, max_length=100_000)]
