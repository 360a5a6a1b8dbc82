"""A finished run whose files are gone or damaged says so and makes them again, bit for bit."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from listening import Heard

from studentsearch.jobs.distill import DistillOptions, distill
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.search import search
from studentsearch.jobs.search_options import SearchOptions
from studentsearch.jobs.study import StudyOptions, study
from studentsearch.jobs.teach import TeachOptions, teach
from studentsearch.jobs.training import TrainingRecipe
from studentsearch.runs.files import file_sha256
from studentsearch.runs.manifest import is_finished, read_manifest
from studentsearch.search.recipe import SearchRecipe

COMPUTE = ComputeOptions(device="cpu", precision="float32", threads=1)
RECIPE = TrainingRecipe(steps=2, batch=16, rate=0.02)
TEACH = TeachOptions(
    model="resnet8", out=Path(), data=DataOptions(name="digits"), compute=COMPUTE, recipe=replace(RECIPE, rate=0.1)
)
DISTILL = DistillOptions(
    student="resnet8",
    out=Path(),
    teachers=("densenet_digits",),
    data=DataOptions(name="digits"),
    compute=COMPUTE,
    recipe=RECIPE,
)


def hashes(out: Path) -> dict[str, str]:
    """Every file that a run made."""
    files = [*out.glob("weights*.safetensors"), *out.glob("student*/**/*")]
    return {str(file.relative_to(out)): file_sha256(file) for file in sorted(files) if file.is_file()}


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that met two budgets, one step after the other."""
    out = tmp_path_factory.mktemp("whole") / "run"
    search(search_options(out))
    return out


def search_options(out: Path) -> SearchOptions:
    recipe = SearchRecipe(steps=30, batch=16, batches_for_statistics=2)
    return SearchOptions(teacher="densenet_digits", budgets=("95%", "90%"), out=out, compute=COMPUTE, recipe=recipe)


def copied(run: Path, out: Path) -> Path:
    shutil.copytree(run, out)
    return out


def test_a_complete_run_is_not_made_again(searched: Path) -> None:
    heard = Heard()
    before = hashes(searched)
    assert len(search(search_options(searched), heard)) == 2
    assert heard.lines[-1] == f"{searched}: this search is complete already"
    assert not heard.phases
    assert hashes(searched) == before


def test_the_last_student_is_cut_again_from_the_last_gates(searched: Path, tmp_path: Path) -> None:
    out, heard = copied(searched, tmp_path / "run"), Heard()
    folder = out / str(read_manifest(out).results["students"][1]["folder"])  # type: ignore[index,call-overload]
    shutil.rmtree(folder)
    found = search(search_options(out), heard)
    assert any("model.py is gone" in line or "is gone and" in line for line in heard.lines)
    assert not heard.phases
    assert hashes(out) == hashes(searched)
    assert found == search(search_options(searched))
    assert is_finished(out)


@pytest.mark.slow  # two searches; tests/runs has begin_again alone
def test_an_earlier_student_needs_the_search_again(searched: Path, tmp_path: Path) -> None:
    out, heard = copied(searched, tmp_path / "run"), Heard()
    folder = out / str(read_manifest(out).results["students"][0]["folder"])  # type: ignore[index,call-overload]
    damage(folder / "model.safetensors")
    search(search_options(out), heard)
    assert any("of a student of an earlier step; this search begins again" in line for line in heard.lines)
    assert hashes(out) == hashes(searched)
    assert is_finished(out)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda out: (out / "weights.safetensors").unlink(), "weights.safetensors is gone; made again"),
        (lambda out: damage(out / "weights-best.safetensors"), "weights-best.safetensors is damaged; made again"),
        (
            lambda out: [file.unlink() for file in out.glob("*.safetensors")],
            "there is none before it; put one back from a copy, choose another --out, or delete",
        ),
    ],
)
def test_weights_of_a_training_are_written_again(tmp_path: Path, change: Callable[[Path], object], words: str) -> None:
    options, heard = replace(TEACH, out=tmp_path / "run"), Heard()
    taught = teach(options)
    before = hashes(options.out)
    change(options.out)
    again = teach(options, heard)
    assert replace(again, milliseconds_per_image=taught.milliseconds_per_image) == taught  # that alone is of the clock
    assert any(words in line for line in heard.lines), heard.lines
    assert hashes(options.out) == before
    assert is_finished(options.out)


def test_a_distilled_student_is_written_again(tmp_path: Path) -> None:
    options, heard = replace(DISTILL, out=tmp_path / "run"), Heard()
    distilled = distill(options)
    before = hashes(options.out)
    assert distill(options) == distilled
    shutil.rmtree(options.out / "student")
    damage(options.out / "student-best" / "config.json")
    assert distill(options, heard) == distilled
    assert any("student/config.json is gone and 3 more; made again" in line for line in heard.lines)
    assert hashes(options.out) == before


@pytest.mark.slow  # two stages twice; the study below asks the same of teachers
def test_a_network_between_is_taught_again(tmp_path: Path) -> None:
    options, heard = replace(DISTILL, out=tmp_path / "run", via="resnet8"), Heard()
    distilled = distill(options)
    shutil.rmtree(options.out / "via" / "student")
    shutil.rmtree(options.out / "student")
    assert distill(options, heard) == distilled
    assert any("first stage: resnet8 is taught" in line for line in heard.lines)
    assert is_finished(options.out / "via")


def test_a_study_makes_what_is_gone(tmp_path: Path) -> None:
    options = StudyOptions(
        teacher="resnet8",
        student="resnet8",
        out=tmp_path,
        rows=("alone",),
        num_teachers=1,
        seeds=1,
        data=DataOptions(name="digits"),
        compute=COMPUTE,
        teaching=RECIPE,
        distilling=RECIPE,
    )
    study(options)
    gone = (tmp_path / "teachers" / "1" / "weights.safetensors", tmp_path / "rows" / "alone" / "seed-0" / "student")
    gone[0].unlink()
    shutil.rmtree(gone[1])
    study(options)
    assert all(path.exists() for path in gone)
