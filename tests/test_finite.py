"""Finite or not: one scalar for training, names for files, and nothing else on disk."""

from pathlib import Path

import pytest
import torch
from torch import nn

from studentsearch.errors import DivergedError
from studentsearch.finite import largest_magnitude, moving_tensors, names_not_finite
from studentsearch.runs.tensors import save_tensors

INFINITE = (torch.inf, -torch.inf, torch.nan)


@pytest.mark.parametrize("value", INFINITE)
@pytest.mark.parametrize("place", ["0.weight", "1.running_var", "1.bias"])
def test_one_entry_is_enough(value: float, place: str):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    watched = moving_tensors((network,))
    assert largest_magnitude(watched).isfinite()
    network.state_dict()[place].flatten()[-1] = value
    assert not largest_magnitude(watched).isfinite()
    assert names_not_finite(network.state_dict()) == [place]


def test_the_largest_magnitude():
    tensors = [torch.tensor([1.0, -3.0]), torch.tensor([2.0], dtype=torch.bfloat16), torch.zeros(2, 2).double()]
    assert largest_magnitude(tensors) == 3
    assert largest_magnitude([]) == 0


def test_masks_are_no_divergence():
    network = nn.Linear(2, 2)
    network.register_buffer("mask", torch.tensor([[0.0, -torch.inf], [0.0, 0.0]]))
    network.register_buffer("empty", torch.zeros(0))
    network.register_buffer("count", torch.tensor(3))
    assert largest_magnitude(moving_tensors((network,))).isfinite()
    assert names_not_finite(network.state_dict()) == []


def test_one_scalar_without_a_wait():
    watched = moving_tensors((nn.Sequential(*(nn.BatchNorm1d(3) for _ in range(50))),))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        largest_magnitude(watched)
    called = {event.key for event in profile.key_averages()}
    assert not called & {"aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero", "aten::equal"}


@pytest.mark.parametrize("value", INFINITE)
def test_nothing_else_is_written(value: float, tmp_path: Path):
    file = tmp_path / "weights.safetensors"
    save_tensors(file, {"weight": torch.ones(2)})
    before = file.read_bytes()
    with pytest.raises(DivergedError, match=r"is not written: weight would not be finite; lower the learning rate"):
        save_tensors(file, {"fine": torch.ones(1), "weight": torch.tensor([1.0, value])})
    assert file.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.safetensors"]
