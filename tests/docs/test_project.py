"""What others meet first: workflows, hooks, citation and metadata name only what exists."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pages import PAGES, ROOT
from test_documented_commands import parts, problems

from studentsearch import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
README = (ROOT / "README.md").read_text()
# Programs that a runner or the extras of pyproject.toml bring.
PROGRAMS = {"python", "python3", "pip", "pytest", "ruff", "mypy", "mkdocs", "studentsearch", "cd", "."}


def command_of(mark: str) -> str:
    (command,) = re.findall(rf"<!-- {mark} command -->\n\s*(.+)\n<!-- end -->", README)
    return command


def rows(job: dict[str, object]) -> list[dict[str, str]]:
    """The combinations of a job's matrix; one without values where there is none."""
    matrix = dict(job.get("strategy", {}).get("matrix", {}))
    if "include" in matrix:
        return matrix["include"]
    return [{name: value} for name, values in matrix.items() for value in values] or [{}]


def run_lines(workflow: dict[str, object]) -> Iterator[str]:
    """Every command of a workflow, the values of its matrix filled in."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            for row in rows(job):
                if "run" in step:
                    yield re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda found, row=row: row[found[1]], step["run"])


def every_line() -> list[str]:
    return [line for workflow in WORKFLOWS.values() for line in run_lines(workflow)]


def test_there_is_a_workflow_for_pushes_and_one_for_nights() -> None:
    on = {name: workflow[True] for name, workflow in WORKFLOWS.items()}  # YAML 1.1 reads `on` as true
    assert set(on["push"]) == {"push", "pull_request"}
    assert "schedule" in on["nightly"]
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())
    assert "secrets." not in "".join(path.read_text() for path in (ROOT / ".github").rglob("*.yml"))


@pytest.mark.parametrize("mark", ["test", "docs"])
def test_a_push_runs_the_commands_of_the_readme(mark: str) -> None:
    assert command_of(mark) in list(run_lines(WORKFLOWS["push"]))


def test_a_night_runs_the_slow_suite_the_zoo_and_the_campaigns() -> None:
    lines = list(run_lines(WORKFLOWS["nightly"]))
    assert command_of("slow test") in lines
    scripts = {path.name for path in (ROOT / "tests" / "campaigns").glob("*.py") if "add_argument(" in path.read_text()}
    named = {script for script in scripts if any(script.removesuffix(".py") in line for line in lines)}
    assert named == scripts
    assert {re.search(r"zoo (\w+)", line)[1] for line in lines if "zoo" in line} == {"torchvision", "timm"}


@pytest.mark.parametrize("line", sorted(set(every_line())))
def test_commands_of_workflows_exist(line: str) -> None:
    for words in parts(line):
        assert words[0] in PROGRAMS
        assert problems(words) == []


def test_pushes_are_tested_on_the_versions_of_python_that_are_promised() -> None:
    promised = [entry.split()[-1] for entry in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", entry)]
    assert WORKFLOWS["push"]["jobs"]["default"]["strategy"]["matrix"]["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"


def test_the_oldest_torch_of_a_night_is_the_lower_bound() -> None:
    (bound,) = [entry.removeprefix("torch>=") for entry in PROJECT["dependencies"] if entry.startswith("torch>=")]
    assert any(f"torch=={bound}.*" in line for line in run_lines(WORKFLOWS["nightly"]))


def test_hooks_are_local_and_of_the_test_environment() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert {"ruff", "ruff-format", "mypy"} <= hooks.keys()
    tools = {re.split(r"[<>=]", name)[0] for name in PROJECT["optional-dependencies"]["test"]}
    for hook in hooks.values():
        assert {"id", "name", "entry", "language"} <= hook.keys()
        assert hook["language"] == "pygrep" or hook["entry"].split()[0] in tools
        assert hook["language"] != "pygrep" or re.compile(hook["entry"])
        if hook["id"] == "house":
            assert (ROOT / hook["entry"].split()[-1]).is_file()


def test_the_citation_names_the_version_and_both_publications() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what CFF 1.2.0 requires
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["license"])
    assert citation["authors"] == [{"name": PROJECT["authors"][0]["name"]}]
    assert [(one["type"], one["year"], len(one["authors"])) for one in citation["references"]] == [
        ("conference-paper", 2020, 2),
        ("article", 2021, 3),
    ]
    for reference in citation["references"]:
        assert reference["title"] in re.sub(r"\s+", " ", README)


def test_metadata_is_complete_and_names_no_address() -> None:
    assert {"description", "readme", "license", "license-files", "keywords", "classifiers", "authors"} <= PROJECT.keys()
    assert all((ROOT / name).is_file() for name in (PROJECT["readme"], *PROJECT["license-files"]))
    assert "urls" not in PROJECT  # the project has none yet
    texts = [page.read_text() for page in (*PAGES, ROOT / "mkdocs.yml", ROOT / "CITATION.cff", *_workflow_files())]
    assert not re.findall(r"https?://\S*studentsearch\S*", "\n".join(texts))


def _workflow_files() -> list[Path]:
    return sorted((ROOT / ".github").rglob("*.yml"))
