"""Every example runs: short in the default suite, and as printed among the slow tests."""

import ast
import inspect
import re
import runpy
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run_example(name: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [name, *words])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


SHORT = {
    "search_and_distill.py": ["--flops", "97%", "--epochs", "1"],
    "compare_losses.py": ["--steps", "1", "--rows", "alone,P1+P2+P3"],
    "sweep.py": ["--trials", "1", "--flops", "80%", "--steps", "30", "--seed", "0"],
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_short(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    if name == "sweep.py":
        pytest.importorskip("optuna", reason="needs the extra sweep")
    run_example(name, [str(tmp_path), *SHORT[name]], monkeypatch)
    assert capsys.readouterr().out
    assert any(tmp_path.iterdir())


def python_blocks() -> list[tuple[str, str]]:
    """Every fenced or indented block of README.md and docs/ that imports something: its page and its text."""
    found: list[tuple[str, str]] = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        blocks += re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
        found += [(page.name, block) for block in blocks if re.search(r"^\s*(import|from) \w", block, re.MULTILINE)]
    return found


@pytest.mark.parametrize(("page", "block"), python_blocks())
def test_python_in_the_docs_names_what_there_is(page: str, block: str):
    tree = ast.parse(textwrap.dedent(block), page)
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    scope: dict[str, object] = {}
    exec(compile(ast.Module(body=list(imports), type_ignores=[]), page, "exec"), scope)
    modules = {name: value for name, value in scope.items() if inspect.ismodule(value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr), f"{page}: {node.value.id}.{node.attr}"


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
        run_example("sweep.py", [str(tmp_path), "--trials", "1", "--seed", "0"], monkeypatch)
        assert re.match(rf"trial \d of {num_trials}: [\d.]+ % held out, ", capsys.readouterr().out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.log", "trial-0", "trial-1"]
    assert (tmp_path / "trial-1" / "manifest.json").is_file()
