"""The whole way for a network of the user's own: groups, channel attention, a shuffle, functional calls, a sum."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from campaigns.hostile_folders import write_good

import studentsearch
from studentsearch.api import (
    ComputeOptions,
    DataOptions,
    DistillOptions,
    EvaluateOptions,
    SearchOptions,
    SearchRecipe,
    TrainingRecipe,
    distill,
    evaluate,
    report,
    search,
)
from studentsearch.errors import UsageError
from studentsearch.records.student import StudentFacts
from studentsearch.student.folder import read_student, write_student
from studentsearch.student.slice import Cut

NETWORK = """
import torch
import torch.nn.functional as F
from torch import nn


class Own(nn.Module):
    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, 12, 3, padding=1)
        self.kernel = nn.Parameter(torch.randn(12, 12, 3, 3) * 0.1)
        self.norm = nn.GroupNorm(3, 12)
        self.grouped = nn.Conv2d(12, 12, 3, padding=1, groups=3)
        self.squeeze, self.excite = nn.Linear(12, 4), nn.Linear(4, 12)
        self.scale = nn.Parameter(torch.full((12, 1, 1), 0.7))
        self.bn = nn.BatchNorm2d(12)
        self.head = nn.Linear(12, num_classes)

    def forward(self, x):
        x = F.relu(self.stem(x))
        y = self.grouped(F.relu(self.norm(F.conv2d(x, self.kernel, padding=1))))
        y = y.view(y.size(0), 3, 4, y.size(2), y.size(3)).transpose(1, 2).reshape(y.shape)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(y.mean((2, 3))))))
        x = x + self.bn(y * gate[:, :, None, None]) * self.scale
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


def build(num_classes, in_channels):
    torch.manual_seed(0)
    return Own(num_classes, in_channels)
"""
TEACHER = "python:own_network_of_the_whole_way:build"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search run of an untrained network, whose weights come from a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_network_of_the_whole_way", raising=False)
    Path("own_network_of_the_whole_way.py").write_text(NETWORK)
    scope: dict[str, object] = {}
    exec(NETWORK, scope)  # the text above
    torch.save(scope["build"](10, 1).state_dict(), "weights.pth")  # type: ignore[operator]
    search(
        SearchOptions(
            teacher=TEACHER,
            weights=Path("weights.pth"),
            budgets=("70%",),
            out=tmp_path / "run",
            data=DataOptions(name="digits"),
            compute=ComputeOptions(device="cpu", precision="float32", threads=1),
            recipe=SearchRecipe(steps=60, batch=16, batches_for_statistics=2),
            skip=("squeeze",),
        )
    )
    return tmp_path / "run"


def test_a_network_of_ones_own_is_searched_cut_reloaded_and_distilled(found: Path) -> None:
    (student,) = (found / "students").iterdir()
    config = json.loads((student / "config.json").read_text())
    assert (
        config["check"]["counted_macs"]
        == config["check"]["independent_macs"]
        <= 0.7 * report(found)["facts"]["teacher"]["macs"]
    )
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.save(images, found / "images.pt")
    program = (
        "import sys, torch, studentsearch\n"
        "torch.set_num_threads(1)\n"
        "folder, images, answers = sys.argv[1:]\n"
        "sys.path.insert(0, folder)\n"
        "import model\n"
        "found = studentsearch.load(folder)(torch.load(images))\n"
        "assert torch.equal(model.build()(torch.load(images)), found)\n"
        "torch.save(found, answers)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(studentsearch.__file__).parents[1])}
    subprocess.run(
        [sys.executable, "-c", program, student, found / "images.pt", found / "answers.pt"],
        check=True,
        cwd=found,  # the teacher's code lies elsewhere
        env=environment,
    )
    torch.set_num_threads(1)
    with torch.no_grad():
        assert torch.equal(torch.load(found / "answers.pt"), studentsearch.load(student)(images))
    options = DistillOptions(
        student=found,
        out=found.parent / "distilled",
        init="inherit",
        recipe=TrainingRecipe(steps=3, batch=16, rate=0.01),
        compute=ComputeOptions(device="cpu", precision="float32", threads=1),
    )
    with pytest.raises(UsageError, match=f"names the teacher {TEACHER}, a function that is never run because a file"):
        distill(options)
    result = distill(replace(options, teachers=(TEACHER,)))
    assert 0 <= result.last.accuracy_test <= 100
    facts = read_student(found.parent / "distilled" / "student").config.training
    assert facts is not None
    assert [(teacher.name, teacher.sha256) for teacher in facts.teachers] == [
        (TEACHER, config["origin"]["teacher_sha256"])
    ]
    assert facts.accuracy_before == result.before
    assert (facts.accuracy_test, facts.accuracy_held_out) == (result.last.accuracy_test, result.last.accuracy_held_out)
    assert (facts.method, facts.init, facts.step, facts.steps, facts.batch) == ("hinton", "inherit", 3, 3, 16)
    card = (found.parent / "distilled" / "student" / "README.md").read_text()
    assert f"| test images | {result.before:.2f} % | {result.last.accuracy_test:.2f} % |" in card
    head = card.split("---\n")[1]
    yaml = pytest.importorskip("yaml", reason="reads the head of the card")
    metric = yaml.safe_load(head)["model-index"][0]["results"][0]["metrics"][0]
    assert metric["value"] == pytest.approx(result.last.accuracy_test, abs=0.005)


DATA = """
import torch
from studentsearch.data.augment import Augmentation
from studentsearch.data.dataset import Dataset, Images

def images():
    open("WAS_CALLED", "w").close()
    some = Images(pixels=torch.zeros(20, 1, 8, 8, dtype=torch.uint8), labels=torch.arange(20) % 10)
    return Dataset(
        name="own", classes=tuple("0123456789"), train=some, test=some, mean=(0.5,), std=(0.5,),
        augmentation=Augmentation(),
    )
"""


def test_a_function_that_gives_images_is_called_only_where_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_images_of_this_test", raising=False)
    Path("own_images_of_this_test.py").write_text(DATA)
    write_good(Path("good"))
    stored = read_student(Path("good"))
    name = "python:own_images_of_this_test:images"
    record = StudentFacts(
        origin=replace(stored.origin, data=name),
        counts=stored.config.counts,
        teacher_counts=stored.config.teacher_counts,
        check=stored.config.check,
        blocks=(),
    )
    write_student(Path("student"), Cut(spec=stored.spec, tensors=dict(stored.module.state_dict())), record)
    options = EvaluateOptions(model="student", compute=ComputeOptions(device="cpu", precision="float32", threads=1))
    with pytest.raises(
        UsageError, match=f"^student names the data {name}, a function .*; if you trust it, give --data"
    ):
        evaluate(options)
    assert not Path("WAS_CALLED").exists()
    assert evaluate(replace(options, data=DataOptions(name=name))).num_images == 20
    assert Path("WAS_CALLED").exists()
