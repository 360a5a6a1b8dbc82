"""The commands, one after the other, on embedded digits."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

import studentsearch
from studentsearch.cli.main import main
from studentsearch.cli.milestones import parse_milestones
from studentsearch.cli.options import default_out
from studentsearch.errors import UsageError
from studentsearch.search.recipe import SearchRecipe

COMPUTE = ["--device", "cpu", "--precision", "float32", "--threads", "1"]
RUN = Path("runs/search-densenet_digits-digits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which a search has run."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["search", "--teacher", "densenet_digits", "--flops", "90%,80%", "--steps", "40", "--batch", "16"]
        assert main([*words, *COMPUTE, "--json"]) == 0
    return folder


@pytest.fixture(autouse=True)
def in_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "folder" in request.fixturenames:
        monkeypatch.chdir(request.getfixturevalue("folder"))


def answer(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def fresh_process(script: str, *words: str) -> str:
    """What a script says on stdout in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(studentsearch.__file__).parents[1])}
    command = [sys.executable, "-c", script, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment).stdout


def students() -> list[Path]:
    facts = json.loads((RUN / "manifest.json").read_text())
    return [RUN / student["folder"] for student in facts["results"]["students"]]


def test_search_leaves_a_student_a_budget(folder: Path, capsys: pytest.CaptureFixture[str]):  # noqa: ARG001
    first, second = students()
    counts = [json.loads(answer(capsys, ["count", str(student), "--json"]))["macs"] for student in (first, second)]
    assert counts[0] <= 0.9 * 1_123_888
    assert counts[1] <= 0.8 * 1_123_888


def test_json_is_alone_on_stdout(folder: Path, capsys: pytest.CaptureFixture[str]):  # noqa: ARG001
    words = ["search", "--teacher", "densenet_digits", "--flops", "90%,80%", "--steps", "40", "--batch", "16"]
    assert main([*words, *COMPUTE, "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["status"] == "complete"
    assert "this search is complete already" in output.err


def test_distill_takes_the_smallest_and_evaluate_agrees(folder: Path, capsys: pytest.CaptureFixture[str]):  # noqa: ARG001
    words = ["distill", str(RUN), "--init", "inherit", "--steps", "4", "--batch", "16", *COMPUTE]
    facts = json.loads(answer(capsys, [*words, "--json"]))
    assert facts["configuration"]["recipe"]["rate"] == 0.02
    assert facts["configuration"]["recipe"]["schedule"] == "cosine"
    out = RUN / f"distill-{students()[-1].name}-inherit"
    last = facts["results"]["last"]["accuracy_test"]
    line = answer(capsys, ["evaluate", str(out / "student"), *COMPUTE])
    assert line == f"{last:.2f} % of 400 test images\n"


def test_report_in_every_form(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert "Budgets met" in answer(capsys, ["report", str(RUN)])
    assert json.loads(answer(capsys, ["report", str(RUN), "--json"]))["kind"] == "search"
    page = folder / "page.html"
    files = answer(capsys, ["report", str(RUN), "--html", str(page), "--csv"]).splitlines()
    assert page.read_text().startswith("<!doctype html>")
    assert {Path(file).name for file in files} == {
        "page.html",
        "students.csv",
        "sums.csv",
        "blocks.csv",
        "readers.csv",
        "connections.csv",
    }
    assert all(Path(file).is_file() for file in files)


@pytest.mark.slow
def test_export_writes_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]):
    line = answer(capsys, ["export", str(students()[0]), "--to", "pt2", "--out", str(folder / "model.pt2")])
    assert line.startswith(f"{folder / 'model.pt2'}  largest difference of a logit ")
    assert (folder / "model.pt2").stat().st_size > 0


@pytest.mark.slow  # tests/jobs/test_any_network.py asks the same of a smaller network
def test_load_and_model_py_answer_alike_in_a_fresh_process(folder: Path):
    script = (
        "import sys, torch, studentsearch\n"
        "folder = sys.argv[1]\n"
        "sys.path.insert(0, folder)\n"
        "import model\n"
        "images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))\n"
        "with torch.no_grad():\n"
        "    assert torch.equal(studentsearch.load(folder)(images), model.build()(images))\n"
    )
    fresh_process(script, str(folder / students()[0]))


def test_help_needs_no_torch():
    script = (
        "import sys\n"
        "from studentsearch.cli.main import main\n"
        "assert main([sys.argv[1], '--help']) == 0 if len(sys.argv) > 1 else main([]) == 0\n"
        "assert not {'torch', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
    )
    for words in ([], ["search"]):
        assert "Usage: studentsearch" in fresh_process(script, *words)


def end_on_a_closed_stdout(words: list[str]) -> None:
    """Run a command whose stdout nobody reads in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(studentsearch.__file__).parents[1])}
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "studentsearch", *words]
    result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    os.close(write)
    assert result.returncode == 141
    assert "rror" not in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_a_closed_stdout_ends_quietly(words: list[str]):
    end_on_a_closed_stdout(words)  # neither imports torch


@pytest.mark.slow
@pytest.mark.parametrize("words", [["count", "densenet_digits"], ["count", "densenet_digits", "--json"]])
def test_a_closed_stdout_ends_a_count_quietly(words: list[str]):
    end_on_a_closed_stdout(words)


@contextmanager
def unread() -> Iterator[TextIO]:
    """A stdout that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    with Path(os.devnull).open("w") as nowhere, os.fdopen(write, "w") as stdout:
        yield stdout
        os.dup2(nowhere.fileno(), stdout.fileno())  # for what is still in its buffer


@pytest.mark.parametrize("words", [["report", str(RUN)], ["report", str(RUN), "--json"]])
def test_a_reader_of_stdout_that_is_gone_is_no_error(
    folder: Path,  # noqa: ARG001
    words: list[str],
    capfd: pytest.CaptureFixture[str],
):
    with unread() as stdout, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        assert main(words) == 141
    assert capfd.readouterr().err == ""


def test_a_reader_of_stderr_that_is_gone_is_no_error():
    with unread() as stderr, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stderr)
        patch.setattr(os, "dup2", lambda *descriptors: None)  # this process keeps its own stderr  # noqa: ARG005
        assert main(["report", "nothing-here"]) == 7


def test_help_states_the_recipes_defaults(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    lines = answer(capsys, ["search", "--help"]).splitlines()
    recipe = SearchRecipe()
    defaults = {
        "--steps": recipe.steps,
        "--batch": recipe.batch,
        "--gate-rate": recipe.gate_rate,
        "--weight-rate": recipe.weight_rate,
    }
    for name, value in defaults.items():
        assert any(name in line and f"default: ({value})" in line for line in lines), name


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]):
    assert answer(capsys, ["--version"]) == f"studentsearch {studentsearch.__version__}\n"


def test_count_in_words_and_json(capsys: pytest.CaptureFixture[str]):
    facts = json.loads(answer(capsys, ["count", "densenet_digits", "--json"]))
    assert list(facts) == ["macs", "paper", "thop", "flops", "parameters"]
    assert facts["flops"] == 2 * facts["macs"] == 2 * 1_123_888
    assert "1,123,888" in answer(capsys, ["count", "densenet_digits"])


def test_a_run_is_named_after_what_runs():
    assert default_out("search", "densenet", "cifar10") == Path("runs/search-densenet-cifar10")
    assert default_out("search", "python:my.nets:big", "folder:/data/my images/") == Path(
        "runs/search-python-my.nets-big-my-images"
    )


def test_milestones_are_shares_or_epochs():
    assert parse_milestones("150,225", epochs=300, has_steps=False) == (0.5, 0.75)
    assert parse_milestones("0.5,0.75", epochs=300, has_steps=True) == (0.5, 0.75)
    with pytest.raises(UsageError, match="milestones 150,225 for a training given in steps"):
        parse_milestones("150,225", epochs=300, has_steps=True)


def test_a_distillation_in_two_stages_is_one_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = str(tmp_path / "run")
    words = "distill resnet8 --teacher densenet_digits --via resnet8 --method kl --data digits --steps 2 --batch 16"
    assert main([*words.split(), *COMPUTE, "--out", folder]) == 0
    capsys.readouterr()
    assert main(["report", folder]) == 0
    shown = capsys.readouterr().out
    assert "1. kl" in shown
    assert "2. kl" in shown
    assert main(["report", folder, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["stages"]["groups"]) == 2


def test_methods_are_listed_without_a_student(capsys: pytest.CaptureFixture[str]):
    assert main(["distill", "--method", "list"]) == 0
    shown = capsys.readouterr().out
    assert "cross_layer: cross entropy + KL + Gram matrices" in shown
    assert main(["distill", "--method", "list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["dkd"]) == {"summary", "source", "cost", "needs", "settings"}
