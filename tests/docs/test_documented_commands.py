"""Every command on a page can be typed: its name, its options and its files exist, and the tutorial runs."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from pages import PAGES, ROOT, marked, page_name, typed_lines

from studentsearch.cli.main import app, main

COMMANDS = {
    name: {word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    for name, command in typer.main.get_group(app).commands.items()
}
TUTORIAL = ROOT / "docs" / "tutorial" / "first_student.md"
OWN_NETWORK = ROOT / "docs" / "how_to" / "own_network.md"
OTHER_PROGRAMS = {"--strict", "--dist", "--record", "--count", "--minutes", "--brief", "--quick", "--out"}


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def parts(line: str) -> list[list[str]]:
    """The commands of a line: `a && b` are two."""
    return [shlex.split(part, comments=True) for part in line.split("&&")]


def problems(words: list[str]) -> list[str]:
    """What of one command does not exist."""
    match words:
        case ["studentsearch", name, *rest]:
            if name not in COMMANDS:
                return [f"no command {name}"]
            return sorted(options(rest) - COMMANDS[name])
        case ["python", "-m", module, *rest]:
            path = ROOT / module.replace(".", "/")
            found = [
                path.with_suffix(".py"),
                path / "__main__.py",
                ROOT / "tests" / path.relative_to(ROOT) / "__main__.py",
            ]
            found.append(ROOT / "tests" / path.relative_to(ROOT).with_suffix(".py"))
            return _of_script(next((one for one in found if one.is_file()), None), module, rest)
        case ["python", script, *rest] if script.endswith(".py") or "/" in script:
            path = ROOT / script
            return _of_script(path / "__main__.py" if path.is_dir() else path, script, rest)
    return []


def _of_script(path: Path | None, name: str, words: list[str]) -> list[str]:
    if path is None or not path.is_file():
        return [f"no file {name}"]
    text = path.read_text(encoding="utf-8")
    return sorted(option for option in options(words) if f'"{option}"' not in text)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_on_a_page_exist(page: Path) -> None:
    for line in typed_lines(page):
        if re.match(r"(studentsearch|python) ", line):
            assert [problem for words in parts(line) for problem in problems(words)] == [], line


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_options_in_the_text_exist(page: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    named = {option for span in spans for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", span)}
    known = set.union(*COMMANDS.values()) | OTHER_PROGRAMS
    assert named <= known


def test_what_does_not_exist_is_found() -> None:
    assert problems(["studentsearch", "find"]) == ["no command find"]
    assert problems(["studentsearch", "count", "resnet20", "--epochs", "3"]) == ["--epochs"]
    assert problems(["python", "tests/nowhere.py"]) == ["no file tests/nowhere.py"]
    assert problems(["python", "-m", "tests.goldens", "--renew"]) == ["--renew"]


def test_a_network_of_the_page_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(# mine\.py\n.*?)```", OWN_NETWORK.read_text(), re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    counted = [words for line in typed_lines(OWN_NETWORK) for words in parts(line) if words[:3] == COUNT]
    assert len(counted) == 2
    for words in counted:
        assert main(words[1:]) == 0
        # 3 * 16 * 9 * 32 * 32 + 16 * 32 * 9 * 16 * 16 + 32 * 10
        assert capsys.readouterr().out.split()[:2] == ["macs", "1,622,336"]


COUNT = ["studentsearch", "count", "python:mine:network"]


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    lines = marked(TUTORIAL, "tutorial")
    assert [shlex.split(line)[1] for line in lines] == ["count", "search", "distill", "report", "report"]
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, line
    assert (tmp_path / "runs/digits/students/0.674332M/model.safetensors").is_file()
    assert (tmp_path / "report.html").is_file()
    assert "1,123,888" in capsys.readouterr().out
