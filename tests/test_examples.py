"""Every example runs as printed."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "search_and_distill.py"


@pytest.mark.slow
def test_search_and_distill_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.argv", [str(EXAMPLE), str(tmp_path)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    cut, distilled, loaded = capsys.readouterr().out.splitlines()
    match = re.fullmatch(r"as cut: ([\d,]+) multiply-accumulates, [\d.]+ % of the test images", cut)
    assert match is not None
    assert int(match[1].replace(",", "")) <= 0.6 * 1_123_888
    assert re.fullmatch(r"distilled: 9\d\.\d\d %; the teacher: 99\.25 %", distilled)
    assert loaded.endswith("logits of shape (1, 10)")
