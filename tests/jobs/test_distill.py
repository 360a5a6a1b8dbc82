"""Distillation of networks by name, of ensembles, in two stages, and of found students with other teachers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from stopping import Stop

import studentsearch
from studentsearch.errors import InterruptedRunError, UsageError
from studentsearch.jobs.distill import DistillOptions, distill
from studentsearch.jobs.method_options import MethodOptions
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.outcome import DistilledStudent
from studentsearch.jobs.search import search
from studentsearch.jobs.search_options import SearchOptions
from studentsearch.jobs.teach import TeachOptions, teach
from studentsearch.models.registry import build_model
from studentsearch.progress import SilentProgress
from studentsearch.records.names import TAUGHT_WEIGHTS_NAME
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.runs.files import file_sha256
from studentsearch.runs.manifest import read_manifest
from studentsearch.search.recipe import SearchRecipe
from studentsearch.student.folder import read_student

COMPUTE = ComputeOptions(device="cpu", precision="float32", threads=1)
DIGITS = DataOptions(name="digits")
RECIPE = TrainingRecipe(steps=6, batch=16, rate=0.01, schedule="constant")
CROSS = MethodOptions(name="cross_layer", settings={"max_distance": 2})


class Heard(SilentProgress):
    """Keeps the lines that a job says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Two ResNet-8 and a ResNet-20, hardly taught."""
    folder = tmp_path_factory.mktemp("teachers")
    files = []
    for number, model in enumerate(("resnet8", "resnet8", "resnet20")):
        out = folder / str(number)
        compute = replace(COMPUTE, seed=number)
        teach(TeachOptions(model=model, out=out, data=DIGITS, compute=compute, recipe=replace(RECIPE, rate=0.1)))
        files.append(out / TAUGHT_WEIGHTS_NAME)
    return tuple(files)


def options(out: Path, **changes: object) -> DistillOptions:
    base = DistillOptions(student="resnet8", out=out, data=DIGITS, compute=COMPUTE, recipe=RECIPE)
    return replace(base, **changes)  # type: ignore[arg-type]


def run(out: Path, **changes: object) -> DistilledStudent:
    return distill(options(out, **changes))


def columns(folder: Path) -> list[str]:
    return list(pd.read_csv(folder / "metrics.csv").columns)


def test_the_student_alone_needs_no_teacher(tmp_path: Path):
    result = run(tmp_path / "run", method=MethodOptions(name="none"))
    assert result.teachers == ()
    assert result.before is None
    student = read_student(tmp_path / "run/student")
    assert student.origin.architecture == "resnet8"
    assert student.origin.teacher == ""
    assert "# resnet8 taught by labels alone" in (tmp_path / "run/student/README.md").read_text()
    module = studentsearch.load(tmp_path / "run/student")
    assert set(module.state_dict()) == set(build_model("resnet8", num_classes=10, in_channels=1).state_dict())
    results = read_manifest(tmp_path / "run").results
    assert isinstance(results["milliseconds_per_image"], float)
    assert isinstance(results["student"], Mapping)
    assert results["student"]["macs"] > 0  # type: ignore[operator]


def test_an_ensemble_of_two_architectures(teachers: tuple[Path, ...], tmp_path: Path):
    out = tmp_path / "run"
    result = run(out, teachers=("resnet8", "resnet20"), weights=teachers[1:], method=replace(CROSS, clipping="printed"))
    assert len(result.teachers) == 2
    assert {"cross_entropy", "kl", "knowledge", "tau", "beta"} <= set(columns(out))
    taught_by = read_manifest(out).configuration["teachers"]
    assert [it["name"] for it in taught_by] == ["resnet8", "resnet20"]  # type: ignore[union-attr,index,call-overload]


def test_one_name_may_have_several_weights(teachers: tuple[Path, ...], tmp_path: Path):
    result = run(tmp_path / "run", teachers=("resnet8",), weights=teachers[:2], method=MethodOptions(name="kl"))
    assert len(result.teachers) == 2


def test_a_stopped_distillation_with_adapters_continues_bit_for_bit(teachers: tuple[Path, ...], tmp_path: Path):
    function = "python:distilled_nets:wide"
    whole = options(
        tmp_path / "a",
        student=function,
        teachers=("resnet8",),
        weights=teachers[:1],
        method=replace(CROSS, clipping="reversed"),
    )
    stopped = replace(whole, out=tmp_path / "b")
    distill(whole)
    with pytest.raises(InterruptedRunError, match="interrupted at step 4 of 6"):
        distill(stopped, Stop(4))
    distill(stopped)
    for name in ("student", "student-best"):
        file = f"{name}/model.safetensors"
        assert file_sha256(whole.out / file) == file_sha256(stopped.out / file)
    exported = set(studentsearch.load(whole.out / "student").state_dict())
    assert not any("adapter" in name or "points" in name for name in exported)


def test_two_stages_through_a_temporal_network(teachers: tuple[Path, ...], tmp_path: Path):
    chosen = options(
        tmp_path / "run", teachers=("resnet8",), weights=teachers[:1], via="resnet8", method=MethodOptions(name="kl")
    )
    heard = Heard()
    with pytest.raises(InterruptedRunError):
        distill(chosen, Stop(3))
    assert read_manifest(tmp_path / "run/via").status == "running"
    distill(chosen, heard)
    first = file_sha256(tmp_path / "run/via/student/model.safetensors")
    assert [line.split(":")[0] for line in heard.lines if "stage:" in line] == ["first stage", "second stage"]
    results = read_manifest(tmp_path / "run").results
    assert [it["name"] for it in results["teachers"]] == [str(tmp_path / "run/via/student")]  # type: ignore[union-attr,index,call-overload]
    distill(chosen)
    assert file_sha256(tmp_path / "run/via/student/model.safetensors") == first


def test_a_found_student_may_have_other_teachers(tmp_path: Path):
    recipe = SearchRecipe(steps=30, batch=16, batches_for_statistics=2)
    found = tmp_path / "search"
    search(SearchOptions(teacher="densenet_digits", budgets=("80%",), out=found, compute=COMPUTE, recipe=recipe))
    taught = tmp_path / "teach"
    teach(TeachOptions(model="densenet_digits", out=taught, data=DIGITS, compute=COMPUTE, recipe=RECIPE))
    weights = (taught / TAUGHT_WEIGHTS_NAME, taught / "weights-best.safetensors")
    chosen = DistillOptions(
        student=found,
        out=tmp_path / "run",
        weights=weights,
        init="inherit",
        compute=COMPUTE,
        recipe=RECIPE,
        method=CROSS,
    )
    result = distill(chosen)
    assert len(result.teachers) == 2
    assert result.before is not None
    alone = distill(replace(chosen, out=tmp_path / "own", weights=()))
    assert alone.teachers[0] > 95


def test_a_teacher_that_guesses_is_told(tmp_path: Path):
    torch.manual_seed(0)
    file = tmp_path / "fresh.pt"
    torch.save(build_model("resnet8", num_classes=10, in_channels=1).state_dict(), file)
    heard = Heard()
    distill(options(tmp_path / "run", teachers=("resnet8",), weights=(file,)), heard)
    (line,) = [line for line in heard.lines if line.startswith("warning: teacher")]
    assert "teacher 1 (resnet8) has " in line
    assert "chance is 10.0 %" in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "found no teacher for resnet8; give --teacher MODEL"),
        ({"init": "inherit", "teachers": ("resnet8",)}, "inherits nothing; use --init scratch"),
        ({"teachers": ("resnet8", "resnet20")}, "found 2 teachers and 1 files of weights"),
        (
            {"teachers": ("resnet8",), "method": CROSS, "student": "python:distilled_nets:one_pooling"},
            r"the teacher has 4 feature points: relu.*; the student has 3: .*--teacher-points",
        ),
        (
            {"teachers": ("resnet8",), "method": replace(CROSS, settings={"max_distance": 4})},
            "found --cross 4 and 4 feature points; expected at least 5 points; choose 1 to 3",
        ),
        (
            {"teachers": ("resnet8",), "method": replace(CROSS, student_points=("layer1", "layr2"))},
            "layr2.*layer2",
        ),
    ],
)
def test_mistakes_are_told_before_a_run_is_made(
    changes: dict[str, object], words: str, teachers: tuple[Path, ...], tmp_path: Path
):
    with pytest.raises(UsageError, match=words):
        run(tmp_path / "run", weights=teachers[:1], **changes)
    assert not (tmp_path / "run").exists()


def test_points_may_be_named(teachers: tuple[Path, ...], tmp_path: Path):
    named = MethodOptions(
        name="cross_layer",
        settings={"max_distance": 1},
        teacher_points=("layer1", "layer3"),
        student_points=("layer1", "layer3"),
    )
    result = run(tmp_path / "run", teachers=("resnet20",), weights=teachers[2:], method=named)
    assert result.last.step == 6
