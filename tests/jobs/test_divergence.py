"""Trainings and searches that diverge: seen, one roll-back at half the rate, then exit 4; bit-equal when stopped."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pandas as pd
import pytest
import torch
from stopping import Stop
from torch import Tensor, nn

from studentsearch.engine.evaluate import Evaluation
from studentsearch.engine.objective import CrossEntropy, Moment
from studentsearch.errors import DivergedError, InterruptedRunError, UsageError
from studentsearch.jobs import teach as teach_job
from studentsearch.jobs.chance_level import LossCourse, chance
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.teach import TeachOptions, teach
from studentsearch.jobs.training import TrainingRecipe
from studentsearch.progress import SilentProgress
from studentsearch.runs.files import file_sha256
from studentsearch.runs.manifest import read_manifest
from studentsearch.search.objective import Objective
from studentsearch.search.recipe import SearchRecipe

RECIPE = TrainingRecipe(steps=24, batch=128, rate=0.1, schedule="constant")


class Heard(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def options(out: Path, **changes: object) -> TeachOptions:
    return TeachOptions(
        model="resnet8",
        out=out,
        data=DataOptions(name="digits"),
        compute=ComputeOptions(device="cpu", precision="float32", threads=1),
        recipe=replace(RECIPE, **changes),  # type: ignore[arg-type]
    )


class Breaking(CrossEntropy):
    """Cross entropy whose statistics break once in the second epoch."""

    attempts = 0

    def __init__(self, module: nn.Module, *others: object) -> None:
        super().__init__(module, *others)  # type: ignore[arg-type]
        self._breaks = Breaking.attempts == 0
        self._broken = module

    def backward(self, inputs: Tensor, labels: Tensor, moment: Moment) -> Mapping[str, Tensor]:
        values = super().backward(inputs, labels, moment)
        if self._breaks and moment.share >= 0.6:
            self._breaks = False
            next(buffer for buffer in self._broken.buffers() if buffer.dim() == 1)[0] = torch.inf
        return values


def test_statistics_that_break_once_cost_one_roll_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(teach_job, "CrossEntropy", Breaking)
    heard = Heard()
    trained = teach(options(tmp_path / "whole"), heard)
    (line,) = heard.lines
    assert "weights or running statistics are no longer finite; going back to step 9 with half the" in line
    assert trained.last.accuracy_held_out > 30
    results = read_manifest(tmp_path / "whole").results
    assert results["roll_back"] == {"to_step": 9, "rate_factor": 0.5}
    table = pd.read_csv(tmp_path / "whole/metrics.csv")
    assert table["step"].tolist() == list(range(1, 25))  # each step once
    assert table["rate"].tolist() == [0.1] * 9 + [0.05] * 15
    for at in (4, 20):
        out = tmp_path / str(at)
        with pytest.raises(InterruptedRunError):
            teach(options(out), Stop(at))
        monkeypatch.setattr(Breaking, "attempts", 1 if at == 20 else 0)  # behind the break it does not come again
        teach(options(out))
        monkeypatch.setattr(Breaking, "attempts", 0)
        for name in ("weights.safetensors", "weights-best.safetensors"):
            assert file_sha256(out / name) == file_sha256(tmp_path / "whole" / name)


@pytest.mark.parametrize(("rate", "words"), [(100.0, r"lower --rate to 0\.1"), (1e30, r"lower --rate to 0\.1")])
def test_a_hopeless_rate_ends_after_one_roll_back(rate: float, words: str, tmp_path: Path):
    heard = Heard()
    with pytest.raises(DivergedError, match=words) as caught:
        teach(options(tmp_path / "run", rate=rate), heard)
    assert caught.value.exit_code == 4
    assert len(heard.lines) == 1
    assert "going back to step 0 with half the learning rate" in heard.lines[0]
    assert not (tmp_path / "run/weights.safetensors").exists()
    with pytest.raises(DivergedError, match=words):  # the same again
        teach(options(tmp_path / "run", rate=rate), heard)


def test_a_short_training_that_has_not_learnt_is_warned_of(tmp_path: Path):
    heard = Heard()
    teach(options(tmp_path / "run", steps=1), heard)
    assert ["warning: step 1: the network is at chance" in line for line in heard.lines] == [True]


def test_chance():
    guessing = chance(torch.tensor([0, 0, 1, 1]))
    assert guessing.accuracy == 50
    assert guessing.loss == pytest.approx(0.6931471805599453)
    assert guessing.largest_accuracy == pytest.approx(125)  # three standard deviations of 0.25 each
    labels = torch.arange(10_000) % 100
    guessing = chance(labels)
    assert guessing.largest_accuracy == pytest.approx(1 + 3 * 0.0994987, abs=1e-5)

    def of(accuracy: float, loss: float) -> bool:
        return guessing.explains(Evaluation(accuracy=accuracy, loss=loss, num_images=10_000))

    assert of(1.2, 4.7)
    assert of(1.2, float("nan"))
    assert not of(1.4, 7.0)  # an accuracy that guessing does not reach
    assert not of(1.2, 4.4)  # a loss that guessing does not reach
    assert not chance(torch.zeros(5, dtype=torch.int64)).explains(Evaluation(accuracy=100, loss=0.1, num_images=5))


def test_the_course_of_a_loss():
    course = LossCourse(chance_loss=2.3)
    assert course.observe({"loss": 15.0, "cross_entropy": 2.5}) is None
    assert course.observe({"loss": 90.0, "cross_entropy": 9.0}) is None
    assert course.has_risen  # at the last step
    assert course.observe({"loss": 90.0, "cross_entropy": 4.0}) is None
    assert not course.has_risen
    assert course.observe({"loss": 90.0, "cross_entropy": 13.0}) is None
    assert course.has_risen
    assert msgspec.json.decode(msgspec.json.encode(course), type=LossCourse) == course  # as in a checkpoint
    assert course.observe({"loss": float("nan")}) == "the loss is nan"
    assert course.observe({"loss": 1e9}) == "the loss is 1e+09, at the first step it was 15"
    inherited = LossCourse(chance_loss=2.3)
    inherited.observe({"loss": 0.3})
    assert inherited.has_risen  # it knew something at first


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("name", ["penalty", "gate_rate", "weight_rate", "final_weight_rate", "weight_decay", "pace"])
def test_searches_that_mean_nothing_are_refused(name: str, value: float):
    with pytest.raises(UsageError, match=rf"found {name} = .*; expected a finite number .* is usual"):
        SearchRecipe(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"momentum": 1.0}, {"weight_decay": float("nan")}, {"batch": 0}, {"rate": float("nan")}]
)
def test_trainings_that_mean_nothing_are_refused(changes: dict[str, float]):
    with pytest.raises(UsageError, match=r"found .*expected .*usual"):
        TrainingRecipe(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["steps", "batch", "horizon", "batches_for_statistics"])
def test_searches_without_steps_are_refused(name: str):
    with pytest.raises(UsageError, match=f"found {name} = 0; expected at least 1"):
        SearchRecipe(**{name: 0})  # type: ignore[arg-type]


def test_temperatures_that_mean_nothing_are_refused():
    with pytest.raises(UsageError, match="found temperature inf; expected a number above 0"):
        Objective(temperature=float("inf"))
