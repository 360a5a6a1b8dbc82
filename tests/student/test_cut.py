"""Gated equals exported, and our count equals thop's, for random and for extreme gates."""

from itertools import combinations

import numpy as np
import pytest
import torch
from nets import DENSENETS, SMALL_NETS, Case, random_gates, small_case
from torch import Tensor, nn

from studentsearch.errors import ProofError
from studentsearch.graph.trace import trace
from studentsearch.models.cifar import densenet_bc
from studentsearch.student.build import build_with_weights
from studentsearch.student.check import check_cut


@pytest.fixture(params=SMALL_NETS, ids=lambda net: net.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    return small_case(request.param)


@pytest.mark.parametrize("share_open", [0.9, 0.6, 0.3])
def test_the_exported_network_is_the_gated_one(case: Case, share_open: float) -> None:
    for seed in range(3):
        case.assert_exported_is_gated(random_gates(case.num_gates, share_open=share_open, seed=seed))


def test_open_gates_export_the_whole_network(case: Case) -> None:
    gates = torch.ones(case.num_gates, dtype=torch.float64)
    student = case.cut(gates)
    state = case.module.state_dict()
    assert student.tensors.keys() == state.keys()
    assert all(torch.equal(student.tensors[name], state[name]) for name in state)
    with torch.no_grad():
        found = build_with_weights(student.spec, student.tensors)(case.images)
        assert torch.equal(found, case.module(case.images))


def test_every_single_layer_may_lose_all_its_inputs(case: Case) -> None:
    for site in case.sites:
        case.assert_exported_is_gated(torch.from_numpy(case.closed(site.path).astype(np.float64)))


def test_every_pair_of_layers_may_lose_all_inputs(case: Case) -> None:
    for first, second in combinations(case.sites, 2):
        case.assert_exported_is_gated(torch.from_numpy(case.closed(first.path, second.path).astype(np.float64)))


def test_everything_closed_is_a_constant(case: Case) -> None:
    gates = torch.zeros(case.num_gates, dtype=torch.float64)
    case.assert_exported_is_gated(gates)
    student = case.cut(gates)
    assert [step.operation.kind for step in student.spec.steps] == ["Input", "Constant", "Output"]
    with torch.no_grad():
        logits = build_with_weights(student.spec, student.tensors)(case.images)
    assert torch.equal(logits, case.module.head.bias.expand_as(logits))


def test_a_student_may_be_cut_again(case: Case) -> None:
    for seed in range(4):
        student = case.cut(random_gates(case.num_gates, share_open=0.7, seed=seed))
        module = build_with_weights(student.spec, student.tensors)
        again = Case.__new__(Case)
        again.module, again.shape, again.images = module, case.shape, case.images
        again.network = trace(module, case.shape)
        again.sites = case.sites[:0]
        again.assert_exported_is_gated(torch.ones(0, dtype=torch.float64))


def test_readers_that_agree_share_one_selection() -> None:
    case = small_case(SMALL_NETS[3])
    is_open = case.all_open
    for path in ("side", "right", "again"):
        is_open[case.site(path).start] = False
    student = case.cut(torch.from_numpy(is_open.astype(np.float64)))
    selections = [step for step in student.spec.steps if step.operation.kind == "Select"]
    assert [step.operation.arguments["channels"] for step in selections] == [(1, 2, 3)]
    readers = [step for step in student.spec.steps if step.path in {"side", "right", "again"}]
    assert [step.inputs for step in readers] == [(selections[0].name,)] * 3


def test_the_same_positions_of_two_tensors_are_two_selections() -> None:
    case = small_case(SMALL_NETS[3])
    is_open = case.closed("left", "right")
    is_open[case.site("left").start + 3] = True  # place 3 of the concatenation: channel 1 of the stem
    is_open[case.site("right").start + 3] = True  # place 3 of the stem itself
    case.assert_exported_is_gated(torch.from_numpy(is_open.astype(np.float64)))


def test_a_linear_layer_without_bias_may_end_in_nothing() -> None:
    case = Case(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3, bias=False)), (1, 4, 4))
    case.assert_exported_is_gated(torch.zeros(case.num_gates, dtype=torch.float64))


def _closing(case: Case, prefix: str) -> Tensor:
    return torch.from_numpy(case.closed(*(s.path for s in case.sites if s.path.startswith(prefix))).astype(np.float64))


def _without_stem(case: Case, seed: int) -> Tensor:
    """Random gates in which no reader reads the stem's filters (the first feature maps of the first block)."""
    gates = random_gates(case.num_gates, share_open=0.8, seed=seed)
    width = dict(case.module.named_modules())["features.conv0"].out_channels
    for site in case.sites:
        if site.path.startswith("features.denseblock1") and site.path.endswith("conv1"):
            gates[site.start : site.start + width] = 0
        if site.path == "features.transition1.conv":
            gates[site.start : site.start + width] = 0
    return gates


def _densenet_settings(case: Case, number: int) -> list[Tensor]:
    """A layer, a bottleneck, a block and the stem emptied, everything closed, and random gates for the rest."""
    settings = [
        _closing(case, "features.denseblock1.denselayer1.conv1"),
        _closing(case, "features.denseblock2.denselayer1.conv2"),
        _closing(case, "features.denseblock2"),
        _closing(case, "features.transition1"),
        _without_stem(case, 0),
        torch.zeros(case.num_gates, dtype=torch.float64),
    ]
    shares = (0.95, 0.7, 0.45, 0.2, 0.05)
    return settings + [
        random_gates(case.num_gates, share_open=shares[seed % len(shares)], seed=seed)
        for seed in range(number - len(settings))
    ]


@pytest.mark.parametrize("name", DENSENETS)
def test_gate_settings_of_three_densenets(name: str) -> None:
    make, shape = DENSENETS[name]
    case = Case(make(), shape)
    for gates in _densenet_settings(case, 11):
        case.assert_exported_is_gated(gates)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), [("depth 10, growth 4", 90), ("depth 16, growth 6", 40), ("digits", 70)])
def test_two_hundred_gate_settings_of_three_densenets(name: str, number: int) -> None:
    make, shape = DENSENETS[name]
    case = Case(make(), shape)
    for gates in _densenet_settings(case, number):
        case.assert_exported_is_gated(gates)


def test_a_stem_that_nobody_reads_is_removed() -> None:
    make, shape = DENSENETS["depth 10, growth 4"]
    case = Case(make(), shape)
    student = case.cut(_without_stem(case, 0))
    assert "features.conv0" not in {step.path for step in student.spec.steps}
    assert "features.conv0.weight" not in student.tensors


@pytest.mark.slow
def test_gate_settings_of_densenet100_12() -> None:
    case = Case(densenet_bc(depth=100, growth=12, num_classes=10), (3, 32, 32))
    case.images = case.images[:1]
    for gates in (_closing(case, "features.denseblock2."), *_densenet_settings(case, 11)[-5:]):
        case.assert_exported_is_gated(gates)


def test_the_check_measures_and_counts() -> None:
    case = small_case(SMALL_NETS[2])
    gates = random_gates(case.num_gates, share_open=0.6, seed=2)
    macs = case.macs(gates.numpy() != 0)
    check = check_cut(case.module, case.folded(gates), case.cut(gates), macs=macs, images=case.images)
    assert check.difference <= 1e-10
    assert check.counted_macs == check.independent_macs == macs


def test_the_check_refuses_a_wrong_student_and_a_wrong_count() -> None:
    case = small_case(SMALL_NETS[2])
    gates = random_gates(case.num_gates, share_open=0.6, seed=2)
    student, macs = case.cut(gates), case.macs(gates.numpy() != 0)
    with pytest.raises(ProofError, match=f"{macs + 1:,} multiply-accumulates as counted here, thop counts {macs:,};"):
        check_cut(case.module, case.folded(gates), student, macs=macs + 1, images=case.images)
    student.tensors["head.bias"] = student.tensors["head.bias"] + 1e-6
    with pytest.raises(ProofError, match="the cut student differs from the gated network by"):
        check_cut(case.module, case.folded(gates), student, macs=macs, images=case.images)
