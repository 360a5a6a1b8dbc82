"""The comparison on a terminal, as CSV, as JSON and as a page."""

import io
import json
import os
from pathlib import Path

import made_study
import pandas as pd
import pytest
from rich.console import Console

from studentsearch.cli.main import main
from studentsearch.report import read_comparison, render_comparison
from studentsearch.report.comparison_words import milliseconds_words

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = "STUDENTSEARCH_REGENERATE_GOLDEN"  # set it to 1 to write the golden files anew


@pytest.fixture(autouse=True)
def _in_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A made study at the relative path `study`, so that no text knows the machine."""
    monkeypatch.chdir(tmp_path)
    made_study.write_study(Path("study"))


def rendered(*paths: str, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    comparison = read_comparison([Path(path) for path in paths])
    render_comparison(comparison, Console(file=file, width=width, color_system=None))
    return "\n".join(line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()) + "\n"


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["report", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
def test_text_is_golden(width: int) -> None:
    text = rendered("study", width=width)
    golden = GOLDEN / f"comparison_{width}.txt"
    if os.environ.get(REGENERATE):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= width


def test_figures_stand_in_the_text() -> None:
    assert "59.00 ± 1.00  59.50 ± 1.00     3      -" in rendered("study", width=120)
    assert "epoch 12.5 of 200 (6.2%)  P1 resnet8 seed 2, study/rows/P1/seed-2" in rendered("study")


def test_ascii_output_has_ascii_signs() -> None:
    text = rendered("study", width=120, encoding="ascii")
    assert "59.00 +- 1.00" in text
    assert "?" not in text


def test_colour_terminal_gets_colour_and_no_color_none(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    for no_color in (False, True):
        monkeypatch.setenv("NO_COLOR", "1" if no_color else "")
        file = io.StringIO()
        console = Console(file=file, width=120, force_terminal=True, color_system="truecolor")
        render_comparison(read_comparison([Path("study")]), console)
        texts.append(file.getvalue())
    assert "\x1b[32m+4.00\x1b[0m" in texts[0]
    assert "\x1b[31m-0.50\x1b[0m" in texts[0]
    assert "\x1b[3" not in texts[1]
    assert "+4.00" in texts[1]


def test_only_unfinished_runs_have_no_table() -> None:
    assert rendered("study/teachers/vgg11").splitlines() == [
        "Not finished (1)",
        "step 0 of 900 (0.0%)  teach vgg11 seed 0, study/teachers/vgg11",
    ]


@pytest.mark.parametrize(
    ("milliseconds", "words"), [(None, "-"), (0.4117, "0.412"), (12.34, "12.3"), (99.9, "99.9"), (1234.5, "1,234")]
)
def test_times_have_three_digits(milliseconds: float | None, words: str) -> None:
    assert milliseconds_words(milliseconds) == words


def test_command_shows_a_folder_of_runs_and_several_folders(capsys: pytest.CaptureFixture[str]) -> None:
    assert "15 finished runs in 8 rows" in answer(capsys, "study")
    two = answer(capsys, "study/rows/alone", "study/rows/hinton/seed-0")
    assert "4 finished runs in 2 rows" in two
    assert "Distill study/rows/hinton/seed-0: complete" in answer(capsys, "study/rows/hinton/seed-0")


def test_csv_lies_in_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "study", "--csv").split() == ["study/comparison.csv", "study/comparison_runs.csv"]
    groups, runs = (pd.read_csv(f"study/{name}.csv") for name in ("comparison", "comparison_runs"))
    assert len(groups) == 8
    assert len(runs) == groups["runs"].sum() == 15
    first = groups.set_index(["what", "student"]).loc[("P1", "resnet8")]
    own = runs[(runs["what"] == "P1") & (runs["student"] == "resnet8")]
    assert first["top1_last_mean"] == own["top1_last"].mean() == 61.5
    assert first["top1_last_std"] == pytest.approx(own["top1_last"].std())
    assert (first["gain_last"], first["seeds"], first["parameters"]) == (2.5, "0 1", 80_916)
    assert "80916," in Path("study/comparison.csv").read_text()


def test_csv_of_several_folders_lies_here(capsys: pytest.CaptureFixture[str]) -> None:
    files = answer(capsys, "study/rows/alone", "study/rows/P1", "--csv").split()
    assert files == ["comparison.csv", "comparison_runs.csv"]
    assert all(Path(file).is_file() for file in files)


def test_json_holds_the_same_facts(capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(answer(capsys, "study", "--json"))
    assert (value["kind"], len(value["groups"]), len(value["unfinished"])) == ("comparison", 8, 2)
    group = next(group for group in value["groups"] if group["what"] == "P1+P2+P3")
    assert group["teachers"] == ["resnet32"] * 3
    assert (group["top1_last_mean"], group["top1_last_std"], group["gain_last"]) == (63.0, None, 4.0)
    assert [run["path"] for run in group["runs"]] == ["study/rows/P1+P2+P3/seed-0"]
    assert value["unfinished"][0]["done"] == 12.5


def test_page_holds_the_same_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "study", "--html", "page.html") == "page.html\n"
    page = Path("page.html").read_text()
    assert "<td>59.00 ± 1.00</td>" in page
    assert page.count("<tr>") == 9
    assert "study/rows/P1/seed-2: P1 resnet8 seed 2, epoch 12.5 of 200 (6.2%)" in page


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "study", "--tensorboard", "events"]) == 2
    assert "found --tensorboard events with several runs; expected one run" in capsys.readouterr().err
    assert main(["report", "study", "missing"]) == 7
    assert "found no folder missing" in capsys.readouterr().err
    assert main(["report", "study/search", "study/search"]) == 7
    assert "found no teach or distill run in study/search, study/search" in capsys.readouterr().err
