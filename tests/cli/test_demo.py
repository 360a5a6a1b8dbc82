"""The demo keeps its promise, also when its runs are there already."""

import re
from pathlib import Path

import pytest

from studentsearch.cli.main import main


@pytest.mark.slow
def test_the_demo_keeps_its_promise_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    last_lines = []
    for _ in range(2):
        assert main(["demo", "--out", str(tmp_path)]) == 0
        last_lines.append(capsys.readouterr().out.splitlines()[-3:])
    assert last_lines[0] == last_lines[1]
    cost, accuracy, folder = last_lines[0]
    share = re.fullmatch(r"multiply-accumulates: ([\d.]+)% of the teacher's", cost)
    assert share is not None
    assert float(share[1]) <= 50
    assert re.match(r"accuracy: student 9\d\.\d\d %, teacher 99\.25 %, ", accuracy)
    assert (Path(folder.removeprefix("the student: ")) / "config.json").is_file()


@pytest.mark.parametrize(
    ("num_macs", "accuracy", "exit_code", "words"),
    [(600, 99.0, 3, "keeps 60.0% of the teacher; the demo promises 50%"), (500, 97.5, 4, "lost 1.50 points")],
)
def test_a_broken_promise_is_an_error(
    num_macs: int,
    accuracy: float,
    exit_code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    class Counts:
        def __init__(self, macs: int) -> None:
            self.macs = macs

    teacher = "densenet_digits"
    monkeypatch.setattr("studentsearch.jobs.count.count", lambda model: Counts(1000 if model == teacher else num_macs))
    monkeypatch.setattr("studentsearch.report.render_report", lambda *_: None)
    monkeypatch.setattr("studentsearch.jobs.search.search", lambda *_: ())
    monkeypatch.setattr("studentsearch.jobs.distill.distill", lambda *_: None)
    monkeypatch.setattr("studentsearch.cli.demo._evaluate", lambda model: 99.0 if model == teacher else accuracy)
    assert main(["demo", "--out", str(tmp_path)]) == exit_code
    output = capsys.readouterr()
    assert words in output.err.splitlines()[-1]
    assert output.out.splitlines()[-1].startswith("the student: ")
