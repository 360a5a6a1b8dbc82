"""A table of methods as one command that can be stopped."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from listening import Heard
from stopping import Stop

from studentsearch.errors import InterruptedRunError, RunInUseError, UsageError
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.study import study
from studentsearch.jobs.study_options import StudyOptions, study_rows
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.report import read_comparison
from studentsearch.runs.files import file_sha256
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.manifest import read_manifest

OPTIONS = StudyOptions(
    teacher="resnet8",
    student="resnet8",
    out=Path(),
    rows=("alone", "P2", "P1+P2+P3"),
    num_teachers=2,
    seeds=2,
    data=DataOptions(name="digits"),
    compute=ComputeOptions(device="cpu", precision="float32", threads=1),
    teaching=TrainingRecipe(steps=3, batch=16, rate=0.05),
    distilling=TrainingRecipe(steps=2, batch=16, rate=0.01),
)


def test_a_stopped_study_goes_on_and_makes_one_table(tmp_path: Path):
    options = replace(OPTIONS, out=tmp_path)
    with pytest.raises(InterruptedRunError):
        study(options, Stop(3))
    study(options)
    manifests = sorted(tmp_path.glob("**/manifest.json"))
    assert len(manifests) == 2 + 3 * 2
    assert all(read_manifest(path.parent).status == "complete" for path in manifests)
    before = [file_sha256(path.parent / "metrics.csv") for path in manifests]
    study(options, Stop(1))
    assert [file_sha256(path.parent / "metrics.csv") for path in manifests] == before
    groups = read_comparison([tmp_path]).groups
    assert len(groups) == 1 + 3
    assert [len(group.runs) for group in groups] == [2, 2, 2, 2]


def test_the_ensemble_row_has_all_teachers_and_others_the_first(tmp_path: Path):
    study(replace(OPTIONS, out=tmp_path, seeds=1, teaching=replace(OPTIONS.teaching, steps=1)))
    taught_by = {
        name: read_manifest(tmp_path / "rows" / name / "seed-0").configuration["teachers"] for name in OPTIONS.rows
    }
    assert [len(teachers) for teachers in taught_by.values()] == [0, 1, 2]  # type: ignore[arg-type]


def held(folder: Path, *, kind: str = "distill") -> AbstractContextManager[RunFolder]:
    return RunFolder.open(folder, kind=kind, configuration={}, facts={})


def test_a_row_that_another_process_holds_is_left_to_it(tmp_path: Path):
    options = replace(OPTIONS, out=tmp_path, seeds=1, num_teachers=1, rows=("alone", "P2"))
    options = replace(options, teaching=replace(OPTIONS.teaching, steps=1))
    heard = Heard()
    with held(tmp_path / "rows" / "alone" / "seed-0"):
        study(options, heard)
    assert "run 1 of 2 is left to the process that holds it" in heard.lines
    assert read_manifest(tmp_path / "rows" / "P2" / "seed-0").status == "complete"


def test_rows_wait_for_a_teacher_that_another_process_trains(tmp_path: Path):
    options = replace(OPTIONS, out=tmp_path, teaching=replace(OPTIONS.teaching, steps=1))
    with (
        held(tmp_path / "teachers" / "1", kind="teach"),
        pytest.raises(RunInUseError, match=r"teacher 1 of 2 in training by another process, in .*repeat this command"),
    ):
        study(options)
    assert read_manifest(tmp_path / "teachers" / "2").status == "complete"
    assert not (tmp_path / "rows").exists()


def test_rows_of_the_publication():
    rows = {row.name: row for row in study_rows("printed")}
    assert list(rows) == ["alone", "hinton", "fsp", "P1", "P2", "P3", "P1+P2", "P1+P2+P3"]
    assert rows["P1"].method.kl == 0
    assert rows["P3"].method.settings == {"max_distance": 1}
    assert [name for name, row in rows.items() if row.has_all_teachers] == ["P3", "P1+P2+P3"]


def test_mistakes():
    with pytest.raises(UsageError, match="found row P4; expected some of alone, hinton"):
        replace(OPTIONS, rows=("P4",))
    with pytest.raises(UsageError, match="found 0 teachers and 2 seeds"):
        replace(OPTIONS, num_teachers=0)
