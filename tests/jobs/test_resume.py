"""A run that is stopped and continued equals the run that never stopped, bit for bit."""

import signal
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from stopping import Stop

from studentsearch.errors import InterruptedRunError
from studentsearch.jobs.distill import DistillOptions, distill
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.search import search
from studentsearch.jobs.search_options import SearchOptions
from studentsearch.jobs.teach import TeachOptions, teach
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.runs.files import file_sha256
from studentsearch.runs.manifest import read_manifest
from studentsearch.search.recipe import SearchRecipe

COMPUTE = ComputeOptions(device="cpu", precision="float32", threads=1)
TRAINING = TrainingRecipe(steps=8, batch=16, rate=0.02, schedule="cosine", warmup=0.2)
CLOCK = ["seconds", "images_per_second"]


def search_options(out: Path) -> SearchOptions:
    recipe = SearchRecipe(steps=40, batch=16, batches_for_statistics=2)
    return SearchOptions(teacher="densenet_digits", budgets=("90%", "80%"), out=out, compute=COMPUTE, recipe=recipe)


def course(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "metrics.csv", dtype=str).drop(columns=CLOCK)


def assert_same(one: Path, other: Path, files: tuple[str, ...]) -> None:
    pd.testing.assert_frame_equal(course(one), course(other))
    assert read_manifest(other).status == "complete"
    for file in files:
        assert file_sha256(one / file) == file_sha256(other / file), file


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    search(search_options(out))
    return out


def test_a_stopped_search_continues_bit_for_bit(searched: Path, tmp_path: Path):
    stopped = tmp_path / "run"
    with pytest.raises(InterruptedRunError, match=r"interrupted at step 6 of .*continue with") as caught:
        search(search_options(stopped), Stop(6))
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert read_manifest(stopped).status == "running"
    search(search_options(stopped))
    labels = [str(student["label"]) for student in read_manifest(searched).results["students"]]  # type: ignore[union-attr,index,call-overload]
    assert len(labels) == 2
    assert_same(searched, stopped, tuple(f"students/{label}/model.safetensors" for label in labels))


def test_a_complete_search_is_not_searched_again(searched: Path):
    before = file_sha256(searched / "metrics.csv")
    found = search(search_options(searched), Stop(1))
    assert len(found) == 2
    assert file_sha256(searched / "metrics.csv") == before


def test_a_stopped_distillation_continues_bit_for_bit(searched: Path, tmp_path: Path):
    whole = DistillOptions(student=searched, out=tmp_path / "a", init="inherit", compute=COMPUTE, recipe=TRAINING)
    stopped = replace(whole, out=tmp_path / "b")
    distill(whole)
    with pytest.raises(InterruptedRunError, match="interrupted at step 5 of 8"):
        distill(stopped, Stop(5))
    assert not (stopped.out / "student").exists()
    distill(stopped)
    assert_same(whole.out, stopped.out, ("student/model.safetensors", "student-best/model.safetensors"))


def test_a_stopped_teaching_continues_bit_for_bit(tmp_path: Path):
    whole = TeachOptions(
        model="densenet_digits",
        out=tmp_path / "a",
        data=DataOptions(name="digits"),
        compute=COMPUTE,
        recipe=replace(TRAINING, rate=0.1),
    )
    stopped = replace(whole, out=tmp_path / "b")
    teach(whole)
    with pytest.raises(InterruptedRunError, match="interrupted at step 3 of 8"):
        teach(stopped, Stop(3))
    teach(stopped)
    assert_same(whole.out, stopped.out, ("weights.safetensors", "weights-best.safetensors"))
