"""Networks of one's own through the commands: frozen, lazy and scripted ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from studentsearch.cli.main import main
from studentsearch.runs.tensors import load_tensors

NETWORKS = """
import torch
from torch import nn


def net(lazy=False):
    torch.manual_seed(0)
    if lazy:
        layers = nn.LazyConv2d(8, 3), nn.LazyConv2d(8, 3), nn.LazyLinear(10)
    else:
        layers = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(128, 10)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), nn.Flatten(), layers[2])


def lazy():
    return net(lazy=True)


def half_frozen():
    module = net()
    module[0].requires_grad_(False)
    return module


def frozen():
    return net().requires_grad_(False)


def scripted():
    return torch.jit.script(net())
"""
QUICK = ("--data", "digits", "--batch", "16", "--threads", "1")


@pytest.fixture(autouse=True)
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "foreign_networks", raising=False)
    Path("foreign_networks.py").write_text(NETWORKS)


def teach(name: str) -> int:
    return main(["teach", f"python:foreign_networks:{name}", *QUICK, "--steps", "3", "--out", "taught"])


def test_frozen_parameters_stay_as_they_are_and_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert teach("half_frozen") == 0
    assert "80 of 1,954 parameters are frozen (requires_grad=False): 0.weight and 1 more; they stay" in (
        capsys.readouterr().err
    )
    scope: dict[str, object] = {}
    exec(NETWORKS, scope)  # the text above
    before = scope["net"]().state_dict()  # type: ignore[operator]
    after = load_tensors(Path("taught/weights.safetensors"))
    assert [name for name in before if torch.equal(before[name], after[name])] == ["0.weight", "0.bias"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("frozen", "all of its parameters are frozen (requires_grad=False), so that nothing can be trained"),
        ("scripted", "the network is scripted or traced (torch.jit), whose code cannot be followed"),
    ],
)
def test_what_cannot_be_taught_is_refused_in_a_line(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teach(name) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
    assert "Traceback" not in "".join(lines)
    assert not Path("taught").exists()


@pytest.mark.parametrize("name", ["lazy", "half_frozen"])
def test_a_network_is_taught_and_searched(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach(name) == 0
    search = ["search", "--teacher", f"python:foreign_networks:{name}", "--weights", "taught/weights.safetensors"]
    assert main([*search, *QUICK, "--flops", "80%", "--steps", "60", "--out", "found"]) == 0
    assert Path("found/students").is_dir() or Path("found/student").is_dir()
    said = "a search and students train them all the same" in capsys.readouterr().err
    assert said == (name == "half_frozen")
