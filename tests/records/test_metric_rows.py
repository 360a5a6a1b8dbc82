"""The columns of metrics.csv are the fields of its rows, for the job that writes and the report that draws them."""

import io
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from msgspec import UNSET

from studentsearch.errors import InputFileError
from studentsearch.records.metrics import SearchRow, TrainingRow, cells, columns, read_rows, training_row
from studentsearch.report.course import CHARTED, all_series, series
from studentsearch.runs.metrics import MetricsFile, read_course


def row(step: int, *, accuracy: float | None = None, **terms: float) -> TrainingRow:
    return training_row(
        {"loss": 2.0, **terms},
        step=step,
        epoch=0.5,
        rate=0.1,
        accuracy_held_out=accuracy,
        seconds=1.5,
        images_per_second=64.0,
    )


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = (row(1, knowledge=float("nan"), tau=0.25), row(2, knowledge=0.5, tau=0.125, accuracy=50.0))
    file = MetricsFile(tmp_path / "metrics.csv")
    for one in rows:
        file.append(cells(one))
    text = read_course(tmp_path / "metrics.csv", sha256=None)
    assert text.splitlines()[0] == "step,epoch,loss,knowledge,tau,rate,accuracy_held_out,seconds,images_per_second"
    assert read_rows(text, TrainingRow, source="metrics.csv", cure="") == rows
    assert rows[0].knowledge is None
    assert rows[0].kl is UNSET


def test_a_term_without_a_field_is_a_bug() -> None:
    with pytest.raises(ValueError, match=r"found the terms \['entropy'\]; expected fields of TrainingRow"):
        row(1, entropy=1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "step,loss\n1,2\n",
            r"m\.csv: Object missing required field `epoch`; expected the columns step, .*; copy it",
        ),
        (
            "step,epoch,loss,rate,accuracy_held_out,seconds,images_per_second\n1,x,2,1,,1,1\n",
            r"Expected `float`, got `str` - at `\$\.epoch`",
        ),
    ],
)
def test_a_table_of_another_form_is_named(text: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read_rows(text, TrainingRow, source="m.csv", cure="copy it")


def test_what_is_drawn_are_fields_of_the_rows() -> None:
    forms = {"search": SearchRow, "distill": TrainingRow, "teach": TrainingRow}
    assert CHARTED.keys() == forms.keys()
    for kind, names in CHARTED.items():
        assert set(names) <= set(columns(forms[kind]))


def test_a_new_column_is_one_field() -> None:
    """A row with another field is written with its column, read back and taken apart; nothing else names columns."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class WiderRow(SearchRow):
        watts: float

    assert columns(WiderRow) == (*columns(SearchRow), "watts")
    wider = WiderRow(**{field.name: 3 for field in fields(WiderRow)})
    text = io.StringIO()
    print(*cells(wider), sep=",", file=text)
    print(*cells(wider).values(), sep=",", file=text)
    assert read_rows(text.getvalue(), WiderRow, source="metrics.csv", cure="") == (wider,)
    assert [one.column for one in all_series([wider])][-1] == "watts"
    assert series([wider], "watts").values == (3.0,)
