"""Networks of several outputs through every job: one output is trained and evaluated, the others are carried along."""

import copy
import json
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import several_outputs
import torch
import torchvision
from stopping import Stop
from torch import nn

import studentsearch
from studentsearch.api import (
    ComputeOptions,
    DataOptions,
    DistillOptions,
    EvaluatedModel,
    EvaluateOptions,
    MethodOptions,
    SearchOptions,
    SearchRecipe,
    TeachOptions,
    TrainingRecipe,
    count,
    distill,
    evaluate,
    report,
    search,
    teach,
)
from studentsearch.cli.main import main
from studentsearch.errors import InterruptedRunError, RunFolderError, UsageError
from studentsearch.graph.gates import gate_sites, ungated_layers
from studentsearch.graph.liveness import liveness
from studentsearch.graph.outputs import name_logits, network_logits_path, network_outputs
from studentsearch.graph.trace import trace
from studentsearch.jobs.outputs import taught_output
from studentsearch.outputs import ALONE, OutputPath, listed, outputs_of
from studentsearch.runs.tensors import load_metadata, load_tensors
from studentsearch.student.folder import read_student
from studentsearch.student.plain import plain_network

COMPUTE = ComputeOptions(device="cpu", precision="float32", threads=1)
DIGITS = DataOptions(name="digits")
RECIPE = TrainingRecipe(steps=3, batch=32, rate=0.05)
SHAPE = (1, 8, 8)
# Structure, what the user types, where the logits then stand in evaluation mode.
STRUCTURES = [
    ("dictionary", None, ("out",)),
    ("pair", "1", (1,)),
    ("pair", None, (1,)),
    ("nested", "heads.cls", ("heads", "cls")),
    ("named", None, ("logits",)),
    ("named", "1", ("logits",)),
    ("dataclass_of_two", None, ("logits",)),
    ("model_output", None, ("logits",)),
    ("extras_first", None, ()),
    ("extras_first", "1", ()),
    ("extras_named", "logits", ()),
]


def options(name: str, out: Path, logits: str | None = None) -> TeachOptions:
    model = f"python:several_outputs:{name}"
    return TeachOptions(model=model, out=out, data=DIGITS, compute=COMPUTE, recipe=RECIPE, logits=logits)


def evaluated(name: str, run: Path) -> EvaluatedModel:
    model = f"python:several_outputs:{name}"
    return evaluate(EvaluateOptions(model=model, weights=run / "weights.safetensors", data=DIGITS, compute=COMPUTE))


def searched(name: str, weights: Path, out: Path) -> SearchOptions:
    return SearchOptions(
        teacher=f"python:several_outputs:{name}",
        weights=weights,
        budgets=("80%",),
        out=out,
        data=DIGITS,
        compute=COMPUTE,
        recipe=SearchRecipe(steps=40, batch=16, penalty=0.3, gate_rate=0.1, batches_for_statistics=1),
    )


@pytest.fixture(scope="module")
def taught_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    teach(options("alone", out))
    return out


@pytest.mark.parametrize(("name", "logits", "keys"), STRUCTURES)
def test_what_is_taught_is_what_a_network_of_that_output_alone_is_taught(
    name: str, logits: str | None, keys: tuple[str | int, ...], taught_alone: Path, tmp_path: Path
):
    teach(options(name, tmp_path / "run", logits))
    found, expected = (load_tensors(run / "weights.safetensors") for run in (tmp_path / "run", taught_alone))
    assert all(torch.equal(found[tensor], expected[tensor]) for tensor in expected)
    stated = load_metadata(tmp_path / "run" / "weights.safetensors").get("logits")
    assert stated == (None if not keys else str(OutputPath(keys=keys)))
    ours, alone = (
        evaluate(
            EvaluateOptions(
                model=f"python:several_outputs:{each}",
                weights=run / "weights.safetensors",
                data=DIGITS,
                compute=COMPUTE,
            )
        )
        for each, run in ((name, tmp_path / "run"), ("alone", taught_alone))
    )
    assert (ours.accuracy, ours.loss) == (alone.accuracy, pytest.approx(alone.loss, abs=1e-6))  # kernels may differ


@pytest.mark.parametrize("name", ["named", "pair"])
def test_the_whole_way(name: str, taught_alone: Path, tmp_path: Path):
    run = tmp_path / "search"
    (found,) = search(searched(name, taught_alone / "weights.safetensors", run))
    folder = run / found.folder
    student = studentsearch.load(folder)
    images = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        answer = student(images)
        teacher = getattr(several_outputs, name)(10, 1).eval()(images)
    assert type(answer).__name__ == type(teacher).__name__
    assert listed(outputs_of(answer)) == listed(outputs_of(teacher))
    built = runpy.run_path(str(folder / "model.py"))["build"](folder / "model.safetensors")
    assert all(
        torch.equal(a.tensor, b.tensor) for a, b in zip(outputs_of(built(images)), outputs_of(answer), strict=True)
    )
    alone = evaluate(EvaluateOptions(model=str(folder), compute=COMPUTE))
    assert alone.accuracy == found.accuracy_test
    other = evaluate(EvaluateOptions(model=str(folder), compute=COMPUTE, logits="aux" if name == "named" else "2"))
    assert other.loss != alone.loss
    teachers = (f"python:several_outputs:{name}",)  # a function is run only where the user names it
    how = DistillOptions(
        student=run,
        out=tmp_path / "distilled",
        teachers=teachers,
        init="inherit",
        recipe=RECIPE,
        compute=COMPUTE,
    )
    taught = distill(how)
    assert taught.before == found.accuracy_test
    assert evaluate(EvaluateOptions(model=str(taught.folder), compute=COMPUTE)).accuracy == taught.last.accuracy_test
    assert read_student(taught.folder).spec.logits == read_student(folder).spec.logits
    assert report(tmp_path / "distilled")["status"] == "complete"
    with pytest.raises(UsageError, match=r"found --logits 0; .* searched with its output (logits|1); leave"):
        distill(replace(how, out=tmp_path / "other", logits="0"))


def test_a_network_by_name_learns_at_points_from_a_teacher_of_several_outputs(taught_alone: Path, tmp_path: Path):
    how = DistillOptions(
        student="python:several_outputs:nested",
        out=tmp_path / "run",
        teachers=("python:several_outputs:pair",),
        weights=(taught_alone / "weights.safetensors",),
        method=MethodOptions(name="cross_layer", settings={"max_distance": 1}),
        data=DIGITS,
        recipe=RECIPE,
        compute=COMPUTE,
        logits="heads.cls",
        teacher_logits="1",
    )
    folder = distill(how).folder
    assert read_student(folder).spec.logits == OutputPath(keys=("heads", "cls"))
    configuration = json.loads((tmp_path / "run" / "manifest.json").read_text())["configuration"]
    assert configuration["logits"] == "heads.cls"
    assert configuration["teachers"][0]["logits"] == "1"


def test_a_run_of_another_output_is_another_run_and_a_stopped_one_continues(tmp_path: Path):
    whole, parts = options("pair", tmp_path / "whole"), options("pair", tmp_path / "parts")
    teach(whole)
    with pytest.raises(InterruptedRunError):
        teach(parts, Stop(1))
    teach(replace(parts, logits="1"))  # the usual one, named
    found, expected = (load_tensors(run / "weights.safetensors") for run in (parts.out, whole.out))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    with pytest.raises(RunFolderError, match="logits"):
        teach(replace(parts, logits="2"))


@pytest.mark.parametrize(
    ("name", "logits", "words"),
    [
        (
            "dictionary",
            "cls",
            r"found --logits cls; .* returns aux \[B, 10\], out \[B, 10\]; give one of these",
        ),
        ("named", "2", r"found --logits 2; .* returns aux \[B, 10\], logits \[B, 10\]; .* a position from 0 to 1"),
        ("nested", "heads", r"found --logits heads; .* returns heads.aux \[B, 10\], heads.cls"),
        ("extras_named", "cls", r"found --logits cls; .* returns aux \[B, 10\], logits"),
        ("alone", "cls", r"found --logits cls; .* returns one tensor; leave --logits out"),
        (
            "segmentation",
            None,
            r"output out \[B, 10, 8, 8\]; expected \[B, classes\], .* --logits \(aux \[B, 10\]\)",
        ),
        ("map_alone", None, r"output logits \[B, 10, 8, 8\]; expected \[B, classes\], one answer an image; end"),
        ("wide", None, r"answers with 12 classes \(output 0\), the data has 10; name another output"),
        ("two_images", None, r"takes 2 inputs \(x, y\), the data give one image; such networks can be counted"),
    ],
)
@pytest.mark.parametrize("command", ["teach", "search"])
def test_what_cannot_be_is_refused_at_the_start(
    command: str,
    name: str,
    logits: str | None,
    words: str,
    taught_alone: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    if (command, name) == ("search", "extras_named"):
        words = "returns one tensor; leave --logits out"
    model, out = f"python:several_outputs:{name}", str(tmp_path / "run")
    how = [*(() if logits is None else ("--logits", logits)), "--data", "digits", "--device", "cpu", "--out", out]
    taught = ["--teacher", model, "--weights", str(taught_alone / "weights.safetensors"), "--flops", "50%"]
    assert main(["teach", model, *how] if command == "teach" else ["search", *taught, *how]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(line)
    assert not Path(out).exists()


def test_counting_lists_all_outputs_and_all_inputs(capsys: pytest.CaptureFixture[str]):
    assert main(["count", "python:several_outputs:nested", "--image-size", "1x8x8", "--logits", "heads.cls"]) == 0
    said = capsys.readouterr().err
    assert "outputs: heads.aux [B, 10], heads.cls [B, 10], maps.0 [B, 12], maps.1 [B, 8, 8, 8]; " in said
    assert "trained and evaluated: heads.cls" in said
    assert "no gates of its own (the logits do not depend on it): aux_conv, aux" in said
    assert main(["count", "python:several_outputs:two_images", "--image-size", "1x8x8,1x8x8", "--json"]) == 0
    assert (
        json.loads(capsys.readouterr().out)["macs"]
        == count("python:several_outputs:dictionary", input_shape=SHAPE).macs
    )


def test_no_gate_closes_what_only_other_outputs_read():
    network = trace(several_outputs.dictionary(10, 1), SHAPE)
    by_place = {place: name_logits(network, place, num_classes=10, source="net") for place in ("aux", "out")}
    gated = {place: [site.path for site in gate_sites(found)] for place, found in by_place.items()}
    assert gated == {"aux": ["aux_conv", "aux"], "out": ["conv", "head"]}
    found = by_place["out"]
    assert {layer.path for layer in ungated_layers(found, gate_sites(found))} == {"stem", "aux_conv", "aux"}
    closed = np.zeros(sum(site.num_gates for site in gate_sites(found)), dtype=np.bool_)
    alive = liveness(found, gate_sites(found), closed)
    names = {node.name: node.index for node in found.nodes}
    assert alive.needed[names["stem"]].all()  # of the auxiliary head
    assert alive.needed[names["aux"]].all()


@pytest.mark.parametrize("name", ["dictionary", "pair", "nested", "named", "dataclass_of_two", "model_output"])
def test_plain_layers_return_the_same_structure(name: str):
    module: nn.Module = getattr(several_outputs, name)(10, 1)
    plain = plain_network(module, SHAPE)
    images = torch.randn(2, *SHAPE)
    with torch.no_grad():
        answer, expected = copy.deepcopy(plain.module)(images), module.eval()(images)
    traced = network_outputs(plain.network)
    assert listed(outputs_of(answer)) == listed(outputs_of(expected)) == listed(traced)
    assert network_logits_path(plain.network).taken_from(answer) is outputs_of(answer)[0].tensor


@pytest.mark.slow
def test_torchvisions_extras_of_training_mode():
    module = torchvision.models.GoogLeNet(num_classes=10, aux_logits=True, init_weights=False)
    data = SimpleNamespace(image_shape=(3, 64, 64), num_classes=10)
    found = taught_output(module, data, None, "googlenet")
    assert (found.training, found.evaluation) == (OutputPath(keys=("logits",)), ALONE)
