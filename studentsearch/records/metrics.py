"""The rows of metrics.csv, one class a kind of run: its fields, in order, are the columns."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from studentsearch.errors import InputFileError
from studentsearch.records.bounds import Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRow:
    """One step of a search.

    Attributes:
        step: Its number, from 1.
        loss: The data term, in nats.
        kl: The same where it is the KL divergence from the teacher; None where it is the cross entropy to the labels.
        macs: Multiply-accumulates after the step.
        target_macs: Those that were planned.
        penalty: lambda_2 in the step.
        open_share: Share of the gates that are open.
        gate_mean: Mean of the open gates.
        rate: Learning rate of the weights.
        images_per_second: Of this step.
        seconds: Time of search until its end.
    """

    step: Amount
    loss: float
    kl: float | None
    macs: Amount
    target_macs: Amount
    penalty: float
    open_share: float
    gate_mean: float
    rate: float
    images_per_second: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One step of a training.

    The terms of a loss that has no such term are unset, and have no column; None, an empty cell, where one is not
    finite or rests.

    Attributes:
        step: Its number, from 1.
        epoch: Passes over the training images until its end, with fraction.
        loss: What is minimised.
        cross_entropy: To the labels.
        kl: Mean of the KL divergences from the teachers.
        knowledge: The term that compares feature maps or relations, weighted.
        tau: Norm of the gradient of the other terms over that of `knowledge`.
        beta: Factor on the gradient of `knowledge`.
        rate: Learning rate.
        accuracy_held_out: In percent, at the end of an epoch; None else.
        seconds: Time of training until its end.
        images_per_second: Over the steps that were read together.
    """

    step: Amount
    epoch: float
    loss: float | None
    cross_entropy: float | UnsetType | None = UNSET
    kl: float | UnsetType | None = UNSET
    knowledge: float | UnsetType | None = UNSET
    tau: float | UnsetType | None = UNSET
    beta: float | UnsetType | None = UNSET
    rate: float
    accuracy_held_out: float | None
    seconds: float
    images_per_second: float


MetricRow: TypeAlias = SearchRow | TrainingRow
Row = TypeVar("Row", bound=MetricRow)
Cell: TypeAlias = float | int | None


def columns(form: type[Row]) -> tuple[str, ...]:
    """Names of all columns that a kind of row may have, in order."""
    return tuple(field.name for field in fields(form))


def cells(row: MetricRow) -> dict[str, Cell]:
    """A row by column, without what is unset.

    Args:
        row: Any row.

    Returns:
        Column to value; None is an empty cell.
    """
    values = {name: getattr(row, name) for name in columns(type(row))}
    return {name: value for name, value in values.items() if value is not UNSET}


def training_row(
    terms: Mapping[str, float],
    *,
    step: int,
    epoch: float,
    rate: float,
    accuracy_held_out: float | None,
    seconds: float,
    images_per_second: float,
) -> TrainingRow:
    """The row of a step whose loss has these terms.

    Returns:
        The row; None for terms that are not finite.

    Raises:
        ValueError: A term has no field in `TrainingRow`; add one.
    """
    finite = {name: value if math.isfinite(value) else None for name, value in terms.items()}
    unknown = finite.keys() - set(columns(TrainingRow))
    if unknown:
        raise ValueError(f"found the terms {sorted(unknown)}; expected fields of TrainingRow")
    return TrainingRow(
        step=step,
        epoch=epoch,
        loss=finite["loss"],
        cross_entropy=finite.get("cross_entropy", UNSET),
        kl=finite.get("kl", UNSET),
        knowledge=finite.get("knowledge", UNSET),
        tau=finite.get("tau", UNSET),
        beta=finite.get("beta", UNSET),
        rate=rate,
        accuracy_held_out=accuracy_held_out,
        seconds=seconds,
        images_per_second=images_per_second,
    )


def read_rows(text: str, form: type[Row], *, source: str, cure: str) -> tuple[Row, ...]:
    """The rows of a table.

    Args:
        text: CSV with a header, as `runs.metrics.read_course` checked it.
        form: What a row holds; columns that it does not name are ignored.
        source: Where the text was read, for the message.
        cure: What the user can do about a table of another form, for the message.

    Returns:
        The rows in order.

    Raises:
        InputFileError: A column is missing, or a cell is not of its type.
    """
    table = csv.DictReader(io.StringIO(text, newline=""))
    try:
        # In strings, numbers are expected: hence not strict.
        return tuple(
            msgspec.convert({name: cell or None for name, cell in row.items()}, form, strict=False) for row in table
        )
    except msgspec.ValidationError as error:
        raise InputFileError(f"{source}: {error}; expected the columns {', '.join(columns(form))}; {cure}") from error
