"""The columns that a distillation by knowledge writes, in the course, on screen, live and for TensorBoard."""

import io
import math
from pathlib import Path

import made_runs
import pytest
from rich.console import Console

from studentsearch.report import render_report, write_html
from studentsearch.report.course import series
from studentsearch.report.live import RichProgress, filled_lines
from studentsearch.report.run_facts import read_course_rows, read_run
from studentsearch.report.words import fact_name, fact_words

FACTS = {"loss": 3.25, "cross_entropy": 2.125, "kl": 0.5, "knowledge": 0.625, "tau": 1.5, "beta": 0.8176}
MORE = {"images_per_second": 1234.5, "best_held_out": 61.25}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A distillation whose knowledge rests from step 150 on, and whose tau was once infinite."""
    folder = tmp_path / "run"
    made_runs.write_manifest(folder, "distill", {}, status="running")
    header = "step,epoch,loss,cross_entropy,kl,knowledge,tau,beta,rate,accuracy_held_out,seconds,images_per_second"
    rows = [
        f"{step},{step / 100},{4 - step / 100},1,1,{'nan' if step >= 150 else step / 8},{'inf' if step == 7 else 2},"
        f"{1 / step},0.1,,{step},900"
        for step in range(1, 201)
    ]
    (folder / "metrics.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_columns_have_names() -> None:
    assert [fact_name(key) for key in FACTS] == ["loss", "CE", "KL", "knowledge", "tau", "beta"]
    assert [fact_words(key, value) for key, value in FACTS.items()] == [
        "3.25",
        "2.125",
        "0.5",
        "0.625",
        "1.5",
        "0.8176",
    ]
    assert fact_words("knowledge", float("nan")) == "-"


def test_course_charts_what_there_is(run: Path) -> None:
    file = io.StringIO()
    render_report(run, Console(file=file, width=80, color_system=None))
    text = file.getvalue()
    assert "knowledge over steps 1 to 149" in text
    assert "    18.62  " in text  # 149 / 8
    assert "tau over steps 1 to 200" in text
    assert "beta over steps 1 to 200" in text
    assert "inf" not in text.partition("loss over steps")[2]
    assert "nan" not in text
    assert "held out over" not in text


def test_page_draws_the_same(run: Path, tmp_path: Path) -> None:
    write_html(run, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<polyline") == 4
    assert "knowledge over steps: 0.125 to 18.62" in page


def test_tensorboard_gets_every_column(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from test_tensorboard import read_scalars

    from studentsearch.report import write_tensorboard

    write_tensorboard(run, tmp_path / "events")
    scalars = read_scalars(tmp_path / "events")
    assert {"knowledge", "tau", "beta"} <= set(scalars)
    assert [step for step, _ in scalars["knowledge"]] == list(range(1, 150))


def test_columns_are_numbers_over_the_steps_that_have_one(run: Path) -> None:
    course = read_course_rows(run, read_run(run))
    assert series(course, "knowledge").steps == tuple(range(1, 150))
    tau = series(course, "tau")
    assert (len(tau.values), tau.values[6], len(tau.finite.values)) == (200, math.inf, 199)
    assert series(course, "accuracy_held_out").steps == ()


def test_live_facts_take_the_lines_they_need() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system=None, _environ={"TERM": "xterm"})
    with RichProgress(console) as progress:
        progress.begin("distill", total=10, first=0)
        progress.advance(5, FACTS | MORE)
    text = file.getvalue()
    assert "loss 3.25  CE 2.125  KL 0.5  knowledge 0.625  tau 1.5  beta 0.8176\n" in text
    assert "best held out 61.25" in text
    assert "…" not in text


def test_no_fact_is_torn_apart() -> None:
    assert filled_lines(["aa 1", "b 2", "c 3"], 9) == ["aa 1  b 2", "c 3"]
    assert filled_lines(["a long one", "b"], 4) == ["a long one", "b"]
    assert filled_lines([], 80) == []
