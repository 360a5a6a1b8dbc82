import io
import os
from pathlib import Path

import made_nets
import made_runs
import pytest
from rich.console import Console

from studentsearch.errors import InputFileError, RunFolderError
from studentsearch.report import render_report

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = "STUDENTSEARCH_REGENERATE_GOLDEN"  # set it to 1 to write the golden files anew


def made(root: Path, kind: str) -> Path:
    """A made run at the relative path `run`, so that the report's text knows nothing of the machine."""
    os.chdir(root)
    if kind == "search":
        made_runs.write_search(Path("run"))
    elif kind == "student":
        made_runs.write_student(Path("run"))
    elif kind in made_nets.NETS:
        made_runs.write_cut(Path("run"), kind)
    else:
        made_runs.write_training(Path("run"), kind)
    return Path("run")


def rendered(path: Path, *, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    render_report(path, Console(file=file, width=width, color_system=None))
    return "\n".join(line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()) + "\n"


@pytest.fixture(autouse=True)
def _keep_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("kind", ["search", "distill", "teach", "student", "resnet", "mobilenet"])
def test_text_is_golden(tmp_path: Path, kind: str, width: int) -> None:
    text = rendered(made(tmp_path, kind), width=width)
    golden = GOLDEN / f"{kind}_{width}.txt"
    if os.environ.get(REGENERATE):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= width


def test_figures_stand_in_the_text(tmp_path: Path) -> None:
    text = rendered(made(tmp_path, "search"))
    assert "90M       868  23m 09s   89.9M   31.2%     52.0%  51.4%" in text
    assert "denseblock1 + transition1               denseblock2 + classifier" in text


def test_ascii_output_has_ascii_glyphs(tmp_path: Path) -> None:
    text = rendered(made(tmp_path, "search"), encoding="ascii")
    assert " 7 ..----++++%%##" in text
    assert "?" not in text


def test_colour_terminal_gets_colour_and_no_color_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path, "student")
    texts = []
    for no_color in (False, True):
        monkeypatch.setenv("NO_COLOR", "1" if no_color else "")
        file = io.StringIO()
        render_report(run, Console(file=file, width=80, force_terminal=True, color_system="truecolor"))
        texts.append(file.getvalue())
    assert "\x1b[38;2;64;144;208m██" in texts[0]
    assert "38;2" not in texts[1]


def test_running_search_shows_its_course(tmp_path: Path) -> None:
    run = made(tmp_path, "search")
    made_runs.write_manifest(run, "search", {}, status="running")
    text = rendered(run)
    assert "Search run: running" in text
    assert "MACs over steps 4 to 868" in text
    assert "Budgets met" not in text


def test_run_that_just_began(tmp_path: Path) -> None:
    made_runs.write_manifest(tmp_path / "run", "distill", {}, status="running")
    (tmp_path / "run" / "metrics.csv").write_text("step,loss,accuracy_held_out\n")
    assert "Distill" in rendered(tmp_path / "run")


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"found neither manifest\.json nor config\.json"):
        rendered(tmp_path)
    made_runs.write_manifest(tmp_path / "run", "sweep", {})
    with pytest.raises(RunFolderError, match="is a sweep run, which has no report; expected search, distill, teach"):
        rendered(tmp_path / "run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"config\.json: Input data was truncated; copy the folder again"),
        ("[]", r"config\.json: Expected `object`, got `array`"),
        ('{"schema": 1}', r"config\.json has schema 1; expected 3; search or distil again with this version"),
        ('{"schema": 3}', r"config\.json: Object missing required field `origin`"),
    ],
)
def test_damaged_student_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputFileError, match=message):
        rendered(tmp_path)


def test_missing_student_of_a_search_is_named(tmp_path: Path) -> None:
    run = made(tmp_path, "search")
    (run / "students" / "90M" / "config.json").unlink()
    with pytest.raises(InputFileError, match=r"found no run/students/90M/config\.json"):
        rendered(run)
