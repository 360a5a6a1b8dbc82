"""Every example runs as printed."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run_example(name: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [name, *words])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


@pytest.mark.slow
def test_search_and_distill_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    run_example("search_and_distill.py", [str(tmp_path)], monkeypatch)
    cut, distilled, loaded = capsys.readouterr().out.splitlines()
    match = re.fullmatch(r"as cut: ([\d,]+) multiply-accumulates, [\d.]+ % of the test images", cut)
    assert match is not None
    assert int(match[1].replace(",", "")) <= 0.6 * 1_123_888
    assert re.fullmatch(r"distilled: 9\d\.\d\d %; the teacher: 99\.25 %", distilled)
    assert loaded.endswith("logits of shape (1, 10)")


@pytest.mark.slow
def test_losses_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    run_example("compare_losses.py", [str(tmp_path)], monkeypatch)
    names, teachers, alone, *taught = (line.split() for line in capsys.readouterr().out.splitlines())
    assert names == ["what", "student", "parameters", "top1_last_mean", "gain_last"]
    assert (teachers[:2], alone[:2]) == (["teach", "resnet20"], ["alone", "resnet8"])
    assert [row[0] for row in taught] == ["P2", "P1+P2", "P1+P2+P3"]
    for row in taught:
        assert float(row[3]) - float(alone[3]) == pytest.approx(float(row[4]), abs=0.01)  # printed with two digits


@pytest.mark.slow
def test_a_sweep_continues_its_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("optuna", reason="needs the extra sweep")
    for num_trials in (1, 2):
        run_example("sweep.py", [str(tmp_path), "--trials", "1"], monkeypatch)
        assert re.match(rf"trial \d of {num_trials}: [\d.]+ % held out, ", capsys.readouterr().out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.log", "trial-0", "trial-1"]
    assert (tmp_path / "trial-1" / "manifest.json").is_file()
