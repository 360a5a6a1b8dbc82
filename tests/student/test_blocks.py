import json
from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F
from nets import Case, Depthwise, ManyReaders, Residual, small_case
from torch import Tensor, nn

from studentsearch.graph.macs import count_macs
from studentsearch.records.blocks import BlockShare
from studentsearch.records.shares import BranchShare, SumShare
from studentsearch.student.blocks import kept_by_block


def shares(case: Case, *closed: str) -> tuple[BlockShare, ...]:
    return kept_by_block(case.network, case.alive(case.closed(*closed)))


def sums_of(case: Case, *closed: str) -> list[SumShare]:
    return [entry for block in shares(case, *closed) for entry in block.sums]


def branches(entry: SumShare) -> dict[str, bool]:
    return {branch.path: branch.is_removed for branch in entry.branches}


def test_a_branch_that_lost_its_inputs_is_removed_from_its_sum() -> None:
    case = small_case(Residual)
    assert [branches(entry) for entry in sums_of(case)] == [
        {"stem": False, "conv1": False},
        {"conv3": False, "project": False},
    ]
    first, second = sums_of(case, "conv1", "project")
    assert first.branches == (BranchShare(path="stem", is_removed=False), BranchShare(path="conv1", is_removed=True))
    assert branches(second) == {"conv3": False, "project": True}
    assert (first.after, second.after) == ("conv1", "project")
    assert (first.channels, second.channels) == (6, 8)


def test_a_branch_is_removed_when_a_layer_within_it_lost_its_inputs() -> None:
    case = small_case(Residual)
    assert branches(sums_of(case, "conv2")[1]) == {"conv3": True, "project": False}


def test_a_sum_keeps_what_its_readers_need() -> None:
    case = small_case(Residual)
    is_open = case.all_open
    is_open[case.site("head").start] = False
    is_open[case.site("head").start + 3] = False
    alive = case.alive(is_open)
    last = [entry for block in kept_by_block(case.network, alive) for entry in block.sums][-1]
    assert (last.kept, last.channels) == (6, 8)


def test_a_sum_of_sums_names_the_sum_before() -> None:
    first, second = sums_of(small_case(ManyReaders), "left", "right")
    assert branches(first) == {"left": True, "right": True}
    assert branches(second) == {first.name: True, "again": False}


def test_depthwise_layers_stand_between_their_neighbours() -> None:
    case = small_case(Depthwise)
    blocks = shares(case)
    grouped = {layer.path: layer for block in blocks for layer in block.readers if layer.groups > 1}
    assert {path: layer.groups for path, layer in grouped.items()} == {"layers.3": 6, "layers.8": 2}
    assert (grouped["layers.8"].inputs, grouped["layers.8"].outputs) == (8, 4)
    assert all(layer.sources == () for layer in grouped.values())
    (block,) = [block for block in blocks if "layers.3" in [layer.path for layer in block.readers]]
    assert [layer.path for layer in block.readers] == ["layers.3", "layers.6"]


@pytest.mark.parametrize("net", [Residual, ManyReaders, Depthwise], ids=lambda net: net.__name__)
def test_layers_cost_what_the_network_costs(net: type[nn.Module]) -> None:
    case = small_case(net)
    is_open = case.all_open
    is_open[::3] = False
    layers = [layer for block in kept_by_block(case.network, case.alive(is_open)) for layer in block.readers]
    assert sum(layer.macs_before for layer in layers) == case.macs(case.all_open)
    assert sum(layer.macs_after for layer in layers) == int(count_macs(case.network, case.alive(is_open)))


class Widened(nn.Module):
    """A shortcut that gets its missing channels from padding, and a convolution of two groups within a branch."""

    input_shape = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.squeeze = nn.Conv2d(4, 4, 1)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.expand = nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.expand(self.grouped(self.squeeze(x))) + F.pad(x, (0, 0, 0, 0, 2, 2))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def test_padding_is_no_branch() -> None:
    case = small_case(Widened)
    assert [branches(entry) for entry in sums_of(case)] == [{"expand": False, "stem": False}]
    assert [branches(entry) for entry in sums_of(case, "expand")] == [{"expand": True, "stem": False}]
    # The convolution of two groups pads with zeros, so that the next layer still reads a border unlike the middle.
    assert [branches(entry) for entry in sums_of(case, "squeeze")] == [{"expand": False, "stem": False}]


class Scaled(nn.Module):
    """A branch that is scaled before it is added, by a parameter and by what a small side branch answers."""

    input_shape = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.squeeze = nn.Conv2d(4, 4, 1)
        self.scale = nn.Parameter(torch.full((4, 1, 1), 0.5))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.conv(x)
        y = torch.sigmoid(self.squeeze(F.adaptive_avg_pool2d(y, 1))) * y * self.scale
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x + y, 1), 1))


def test_a_scaled_branch_is_named_by_its_layer() -> None:
    case = small_case(Scaled)
    assert [branches(entry) for entry in sums_of(case)] == [{"stem": False, "conv": False}]
    assert [branches(entry) for entry in sums_of(case, "conv")] == [{"stem": False, "conv": True}]


class Stages(nn.Module):
    """A stem, two stages of residual blocks and a head, as deep networks are built."""

    input_shape = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.stage1 = nn.ModuleList(nn.ModuleDict({"a": nn.Conv2d(4, 4, 1), "b": nn.Conv2d(4, 4, 1)}) for _ in range(2))
        self.stage2 = nn.ModuleList(nn.ModuleDict({"a": nn.Conv2d(4, 4, 1), "b": nn.Conv2d(4, 4, 1)}) for _ in range(2))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in (*self.stage1, *self.stage2):
            x = x + block["b"](F.relu(block["a"](F.relu(x))))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def test_sums_stand_in_the_stage_of_the_layer_before_them() -> None:
    blocks = shares(small_case(Stages), "stage2.0.b")
    assert [(block.name, len(block.readers), len(block.sums)) for block in blocks] == [
        ("stem", 1, 0),
        ("stage1", 4, 2),
        ("stage2", 4, 2),
        ("head", 1, 0),
    ]
    assert [branches(entry) for entry in blocks[2].sums] == [
        {blocks[1].sums[1].name: False, "stage2.0.b": True},
        {blocks[2].sums[0].name: False, "stage2.1.b": False},
    ]
    stored = json.loads(json.dumps([asdict(block) for block in blocks]))
    assert stored[2]["sums"][0]["branches"][1] == {"path": "stage2.0.b", "is_removed": True}
