"""Mistakes of every kind are answered before torch is loaded or an image decoded."""

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from PIL import Image
from without_torch import Answer, answers_without_torch

from studentsearch.api import EvaluateOptions, SearchOptions, TeachOptions, evaluate, search, teach
from studentsearch.errors import StudentSearchError
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.models.library_names import source_names
from studentsearch.runs.hold import hold_run_folder

SEARCH = ["search", "--teacher", "densenet_digits", "--flops", "50%"]
TEACH = ["teach", "resnet8", "--data", "digits"]
DISTILL = ["distill", "resnet8", "--teacher", "densenet_digits", "--data", "digits"]
# What is typed, the exit code, and words of the answer.
MISTAKES: list[tuple[list[str], int, str]] = [
    ([], 0, ""),
    (["--help"], 0, ""),
    (["search", "--help"], 0, ""),
    (["--version"], 0, ""),
    (["serch"], 2, "No such command"),
    ([*SEARCH, "--stesp", "3"], 2, "No such option"),
    ([*SEARCH, "--steps", "many"], 2, "--steps"),
    ([*SEARCH, "--steps", "9" * 30], 2, "--steps"),
    ([*SEARCH, "--threads", "1000000"], 2, "--threads"),
    (["search", "--flops", "50%", "--teacher", "densnet"], 2, "nearest: densenet"),
    (["search", "--flops", "50%", "--teacher", "torchvision:resnet81", "--data", "digits"], 2, "torchvision:resnet18"),
    (["search", "--flops", "50%", "--teacher", "timm:resnet81"], 2, 'model "timm:resnet81"'),
    (["search", "--flops", "50%", "--teacher", "python:no_such_module_here:f"], 2, "there is no module"),
    (["search", "--flops", "50%", "--teacher", "python:f"], 2, "names no function"),
    (["search", "--flops", "50%", "--teacher", "runs/none"], 5, "not a student folder"),
    (["search", "--flops", "50%", "--teacher", "resnet8"], 2, "no data named"),
    ([*SEARCH, "--flops", "much"], 2, "is not an amount"),
    ([*SEARCH, "--flops", "0.3"], 2, "has no unit"),
    ([*SEARCH, "--flops", "100%"], 2, "keeps all that the teacher costs"),
    ([*SEARCH, "--flops", "9" * 5000], 2, "is not an amount"),
    ([*SEARCH, "--data", "digit"], 2, "did you mean digits"),
    ([*SEARCH, "--data", "folder:nowhere"], 5, "is not a folder"),
    ([*SEARCH, "--data", "folder:loop"], 5, "is not a folder"),
    ([*SEARCH, "--data", "imagenet64:loop"], 5, "is not a folder"),
    ([*SEARCH, "--data", "folder:~nobody-of-this-name/images"], 5, "is not a folder"),
    ([*SEARCH, "--data", "cifar10", "--data-root", "~nobody-of-this-name"], 5, "cifar10 is not there"),
    ([*SEARCH, "--out", "loop/run"], 7, "choose another --out"),
    ([*SEARCH, "--data", "imagenet64:nowhere"], 5, "is not a folder"),
    ([*SEARCH, "--data", "python:no_such_module_here:f"], 2, "there is no module"),
    ([*SEARCH, "--data", "cifar10", "--data-root", "."], 5, "cifar10 is not there"),
    ([*SEARCH, "--image-size", "8"], 2, "--image-size goes with folder:PATH only"),
    ([*SEARCH, "--weights", "none.pth"], 5, "No such file"),
    ([*SEARCH, "--weights", "."], 5, "of kind"),
    ([*SEARCH, "--weights", "pipe.pth"], 5, "not a regular file"),
    ([*SEARCH, "--augment", "turn:3"], 2, "is not understood"),
    ([*SEARCH, "--augment", f"shift:{'9' * 5000}"], 2, "is not understood"),
    ([*SEARCH, "--mean", "0.5"], 2, "only one of --mean and --std"),
    ([*SEARCH, "--mean", "nan", "--std", "1"], 2, "expected figures for pixels in 0..1"),
    ([*SEARCH, "--device", "gpu"], 2, "is unknown"),
    ([*SEARCH, "--device", "cuda:-1"], 2, "is unknown"),
    ([*SEARCH, "--temperature", "inf"], 2, "found temperature inf"),
    ([*SEARCH, "--penalty", "inf"], 2, "expected a finite number"),
    ([*SEARCH, "--l2", "inf"], 2, "expected a finite number"),
    ([*SEARCH, "--l2", "1", "--penalty", "1"], 2, "found --penalty and --l2, its older name"),
    ([*SEARCH, "--objective", "np", "--kl-target", "1"], 2, "has no KL term"),
    ([*SEARCH, "--out", "file"], 7, "is a file"),
    ([*SEARCH, "--out", "file/run"], 7, "is a file"),
    ([*SEARCH, "--out", "n" * 300], 5, "File name too long"),
    ([*SEARCH, "--out", "teach_run"], 7, "holds a teach run, this is a search run"),
    ([*SEARCH, "--out", "occupied"], 7, "holds notes.txt and no manifest.json"),
    ([*TEACH, "--out", "occupied"], 7, "holds notes.txt and no manifest.json"),
    ([*DISTILL, "--out", "occupied"], 7, "holds notes.txt and no manifest.json"),
    (SEARCH, 7, "runs/search-densenet_digits-digits is in use by process"),
    (TEACH, 7, "runs/teach-resnet8-digits is in use by process"),
    (DISTILL, 7, "runs/distill-resnet8-hinton is in use by process"),
    (["distill", "found_run"], 7, "found_run/distill-90M-scratch is in use by process"),
    (["demo"], 7, "runs/demo/search is in use by process"),
    ([*TEACH, "--rate", "nan"], 2, "found learning rate nan"),
    ([*TEACH, "--milestones", "half"], 2, "are no numbers"),
    ([*TEACH, "--weight-decay", "inf"], 2, "found weight decay inf"),
    ([*TEACH, "--recipe", "crosslayer"], 2, "nearest: cross-layer"),
    (["teach", "teach_run"], 2, "unknown model"),
    ([*DISTILL, "--method", "hintn"], 2, "nearest: hinton"),
    ([*DISTILL, "--cross", "0"], 2, "'--cross': Input should be greater than or equal to 1"),
    ([*DISTILL, "--method", "python:f"], 2, "names no function"),
    ([*DISTILL, "--method", "python:no_such_module_here:f"], 2, "there is no module"),
    ([*DISTILL, "--method", "dkd", "--weights", "none.pth"], 5, "No such file"),
    ([*DISTILL, "--method", "dkd", "--out", "occupied"], 7, "holds notes.txt and no manifest.json"),
    (["distill", "resnet8", "--teacher", "densnet", "--data", "digits", "--method", "dkd"], 2, "nearest: densenet"),
    ([*DISTILL, "--ce-weight", "0", "--kl-weight", "0"], 2, "only weights of 0"),
    ([*DISTILL, "--via", "resnet9"], 2, 'unknown model "resnet9"'),
    ([*DISTILL, "--init", "inherit"], 2, "inherits nothing"),
    ([*DISTILL, "--weights", "none.pth"], 5, "No such file"),
    ([*DISTILL, "--teacher", "resnet8", "--weights", "a.pt"], 2, "found 2 teachers and 1 files"),
    (["distill", "resnet8", "--data", "digits"], 2, "found no teacher"),
    (["distill", "."], 7, "is not a run folder"),
    (["distill", "--preset", "resnet32_9"], 2, "nearest: resnet32_8"),
    (["study", "resnet32_8", "--rows", "P9"], 2, "found row P9"),
    (["study", "resnet32_8", "--data-root", "."], 5, "cifar100 is not there"),
    (["evaluate", "densenet_digits", "--weights", "none.pth"], 5, "No such file"),
    (["evaluate", "resnet8", "--data", "digits"], 2, "no published weights are known"),
    (["count", "resnet21"], 2, "nearest: resnet"),
    (["count", "resnet20", "--image-size", "3x0x32"], 2, "found image shape"),
    (["count", "resnet20", "--image-size", f"3x{'9' * 5000}x32"], 2, "is not understood"),
    (["count", "densenet40_99999"], 2, "unknown model"),
    (["export", "none", "--to", "pt2"], 5, "not a student folder"),
    (["export", "found_run", "--to", "pt2"], 5, "give one inside it, such as found_run/students/90M"),
    (["evaluate", "./found_run"], 5, "give one inside it, such as found_run/students/90M"),
    (["export", "found_run/students/90M", "--to", "pt2", "--out", "occupied"], 6, "it is a folder; expected a file"),
    (["export", "found_run/students/90M", "--to", "pt2", "--out", "file/a"], 6, "is a file; expected a folder"),
    (["report", "found_run", "--html", "occupied"], 6, "it is a folder; expected a file"),
    (["report", "none"], 7, "is no run and no student"),
    (["study", "resnet32_8", "--data", "digits", "--out", "teach_run"], 7, "is a teach run; expected a folder for"),
    (["demo", "--out", "file"], 7, "is a file"),
    (["demo", "--out", "teach_run"], 7, "is a teach run; expected a folder for"),
    (["evaluate", "\udcff"], 2, "is not UTF-8"),
]  # fmt: skip

# Run folders that another process holds.
HELD = (
    "runs/search-densenet_digits-digits",
    "runs/teach-resnet8-digits",
    "runs/distill-resnet8-hinton",
    "runs/demo/search",
    "found_run/distill-90M-scratch",
)


def make_run(folder: Path, kind: str, results: dict[str, object]) -> None:
    folder.mkdir()
    manifest = {"schema": 1, "kind": kind, "status": "complete", "configuration": {}, "facts": {}, "results": results}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """What one process without torch answers to all mistakes."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "file").touch()
    os.mkfifo(folder / "pipe.pth")
    (folder / "loop").symlink_to("loop")
    (folder / "occupied").mkdir()
    (folder / "occupied" / "notes.txt").touch()
    make_run(folder / "teach_run", "teach", {})
    facts = {"label": "90M", "folder": "students/90M", "budget_macs": 90, "macs": 89, "step": 1, "seconds": 1.0}
    student = {**facts, "accuracy_held_out": 50.0, "accuracy_test": 50.0}
    make_run(folder / "found_run", "search", {"students": [student]})
    (folder / "found_run" / "students" / "90M").mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / "found_run" / "students" / "90M" / name).touch()
    before = everything(folder)
    with ExitStack() as held:
        for run in HELD:
            held.enter_context(hold_run_folder(folder / run))
        found = answers_without_torch([words for words, _, _ in MISTAKES], folder)
    assert everything(folder) == before
    return found


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=lambda number: " ".join(MISTAKES[number][0])[:60])
def test_a_mistake_is_answered_without_torch(number: int, answers: list[Answer]) -> None:
    _, exit_code, words = MISTAKES[number]
    answer = answers[number]
    assert (answer.exit_code, words in answer.err) == (exit_code, True), answer.err
    assert len(answer.err.splitlines()) == (exit_code != 0)


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_names_in_the_source_are_the_librarys(library: str) -> None:
    module = pytest.importorskip(library)
    expected = torchvision_names() if library == "torchvision" else module.list_models()
    assert source_names(library) == tuple(sorted(expected))


def torchvision_names() -> list[str]:
    from torchvision import models

    return models.list_models(module=models)


def test_the_library_checks_before_an_image_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object, **__: object) -> None:
        raise AssertionError("an image was decoded")

    for part in ("train", "test"):
        for name in ("ant", "bee"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("L", (8, 8)).save(tmp_path / part / name / "0.png")
    (tmp_path / "file").touch()
    monkeypatch.setattr(Image, "open", decode)
    images, cpu = DataOptions(name=f"folder:{tmp_path}"), ComputeOptions(device="cpu")
    weights = tmp_path / "none.pt"
    with pytest.raises(StudentSearchError, match="No such file"):
        evaluate(EvaluateOptions(model="densenet_digits", weights=weights, data=images, compute=cpu))
    with pytest.raises(StudentSearchError, match="is a file"):
        teach(TeachOptions(model="resnet8", out=tmp_path / "file", data=images, compute=cpu))
    with pytest.raises(StudentSearchError, match="keeps all"):
        search(SearchOptions(teacher="resnet8", budgets=("1.0x",), out=tmp_path / "run", data=images, compute=cpu))
    assert torch.get_num_threads() == 1  # nor was anything set up
