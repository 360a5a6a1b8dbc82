"""A new column is one entry of a table of columns, beside a field of a record: every view of that table shows it."""

import io
import json
from pathlib import Path

import made_runs
import made_study
import pandas as pd
import pytest
from rich.console import Console

from studentsearch.report import comparison_frames as frames
from studentsearch.report import (
    comparison_json,
    comparison_view,
    comparison_words,
    read_comparison,
    render_comparison,
    report_json,
    write_comparison_csv,
    write_comparison_html,
    write_csv,
)
from studentsearch.report.comparison_words import COLUMNS, Column
from studentsearch.report.figures import LAYER


def test_of_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_runs.write_student(tmp_path / "student", layers=2)
    monkeypatch.setitem(dict_of(LAYER), "saved", lambda layer: layer.macs_before - layer.macs_after)
    write_csv(tmp_path / "student")
    readers = pd.read_csv(tmp_path / "student" / "report" / "readers.csv")
    assert (readers["saved"] == readers["macs_before"] - readers["macs_after"]).all()
    layers = [
        layer
        for block in json.loads(json.dumps(report_json(tmp_path / "student")))["blocks"]
        for layer in block["layers"]
    ]
    assert [layer["saved"] for layer in layers] == readers["saved"].tolist()


def test_of_a_comparison_as_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_study.write_study(tmp_path / "study")
    monkeypatch.setitem(dict_of(frames._GROUP), "steps", lambda group: group.runs[0].results.last.step)
    comparison = read_comparison([tmp_path / "study"])
    write_comparison_csv(comparison, tmp_path)
    steps = pd.read_csv(tmp_path / "comparison.csv")["steps"].tolist()
    assert steps == [group.runs[0].results.last.step for group in comparison.groups]
    assert json.loads(json.dumps(comparison_json(comparison)))["groups"][0]["steps"] == steps[0]


@pytest.mark.parametrize("width", [80, 200])
def test_of_a_comparison_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    made_study.write_study(tmp_path / "study")
    wider = (*COLUMNS[:-1], Column(header="seeds", words=lambda group: f"s{group.runs[0].task.seed}"), COLUMNS[-1])
    for module in (comparison_words, comparison_view):
        monkeypatch.setattr(module, "COLUMNS", wider)
    comparison = read_comparison([tmp_path / "study"])
    file = io.StringIO()
    render_comparison(comparison, Console(file=file, width=width, color_system=None))
    assert "seeds" in file.getvalue()
    assert file.getvalue().count(" s0 ") == len(comparison.groups)
    write_comparison_html(comparison, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<th>seeds</th>") == 1
    assert page.count("<td>s0</td>") == len(comparison.groups)


def dict_of(table: object) -> dict[str, object]:
    assert isinstance(table, dict)
    return table
