from itertools import pairwise

import numpy as np
import pytest
import torch
from nets import DENSENETS, SMALL_NETS, Case, random_gates, small_case
from torch import nn

from studentsearch.graph.liveness import liveness
from studentsearch.graph.macs import full_macs, macs_saved_by_gate
from studentsearch.graph.operations.table import is_grouped


@pytest.fixture(params=SMALL_NETS, ids=lambda net: net.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    return small_case(request.param)


def test_the_nets_are_small(case: Case) -> None:
    assert sum(parameter.numel() for parameter in case.module.parameters()) < 5_000


def test_every_channel_of_every_reader_but_those_of_the_image_has_a_gate(case: Case) -> None:
    layers = dict(case.module.named_modules())
    for site in case.sites:
        entries = layers[site.path].weight.shape[1]
        gate_of = np.arange(entries) if site.gate_of is None else site.gate_of
        assert len(gate_of) == entries
        assert set(gate_of.tolist()) == set(range(site.num_gates))
    gated = {site.path for site in case.sites}
    for path, layer in layers.items():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and path not in gated:
            assert layer.weight.shape[1] == case.shape[0] or layer.groups > 1
    assert [site.start for site in case.sites] == list(np.cumsum([0, *(site.num_gates for site in case.sites)])[:-1])


def test_a_channel_behind_a_flatten_has_one_gate_for_all_its_positions() -> None:
    site = small_case(SMALL_NETS[-1]).site("hidden")
    assert site.num_gates == 6
    assert site.gate_of is not None
    assert site.gate_of.tolist() == [channel for channel in range(6) for _ in range(9)]


def test_closing_a_gate_never_raises_the_count(case: Case) -> None:
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(case.num_gates)
        states = np.ones((case.num_gates + 1, case.num_gates), dtype=np.bool_)
        for row, gate in enumerate(order, start=1):
            states[row:, gate] = False
        counts = [case.macs(state) for state in states]
        assert counts[0] == full_macs(case.network)
        assert all(after <= before for before, after in pairwise(counts))


def test_liveness_is_monotone(case: Case) -> None:
    generator = np.random.default_rng(0)
    for _ in range(10):
        more = generator.random(case.num_gates) < 0.7
        fewer = more & (generator.random(case.num_gates) < 0.7)
        alive_more, alive_fewer = case.alive(more), case.alive(fewer)
        for large, small in zip(alive_more.needed, alive_fewer.needed, strict=True):
            assert not (small & ~large).any()


def test_liveness_is_idempotent(case: Case) -> None:
    for seed in range(10):
        is_open = random_gates(case.num_gates, share_open=0.5, seed=seed).numpy() != 0
        alive = case.alive(is_open)
        fallen = np.zeros(case.num_gates, dtype=np.bool_)
        for site in case.sites:
            gate_of = np.arange(site.num_gates) if site.gate_of is None else site.gate_of
            np.logical_or.at(fallen, site.start + gate_of, alive.reads[site.node])
        again = case.alive(fallen)
        assert all(np.array_equal(a, b) for a, b in zip(alive.needed, again.needed, strict=True))
        assert all(np.array_equal(alive.reads[node], again.reads[node]) for node in alive.reads)


def test_many_questions_at_once_have_the_answers_of_one_by_one(case: Case) -> None:
    states = np.random.default_rng(1).random((2, 3, case.num_gates)) < 0.6
    together = liveness(case.network, case.sites, states)
    for index in np.ndindex(2, 3):
        alone = case.alive(states[index])
        for many, one in zip(together.needed, alone.needed, strict=True):
            assert np.array_equal(many[index], one)


def test_what_a_gate_saves_is_what_closing_it_alone_saves(case: Case) -> None:
    for share in (1.1, 0.6):
        is_open = random_gates(case.num_gates, share_open=share, seed=5).numpy() != 0
        saved = macs_saved_by_gate(case.network, case.sites, is_open)
        for gate in range(case.num_gates):
            without = is_open.copy()
            without[gate] = False
            assert saved[gate] == case.macs(is_open) - case.macs(without)
        assert not saved[~is_open].any()


def test_what_a_gate_saves_by_hand() -> None:
    case = small_case(SMALL_NETS[0])
    saved = macs_saved_by_gate(case.network, case.sites, case.all_open)
    # one stem filter, 3x3 over 3 channels at 10x10, and its slice in a 3x3 layer of 7 filters at 5x5
    assert saved[case.site("layers.4").start] == 3 * 9 * 100 + 7 * 9 * 25
    # one 1x1 filter over 5 channels at one position, and its slice in the head
    assert saved[case.site("head").start] == 5 + 4


def test_groups_of_a_convolution_live_and_fall_whole() -> None:
    case = small_case(SMALL_NETS[4])
    (grouped,) = [node for node in case.network.nodes if is_grouped(node)][-1:]
    is_open = case.all_open
    is_open[case.site("layers.11").start] = False
    assert case.site("layers.11").num_gates == 2  # one for each group of two channels
    assert case.alive(is_open).needed[grouped.index].tolist() == [False, False, True, True]
    assert not case.alive(case.closed("layers.11")).needed[grouped.index].any()


def test_the_batch_of_questions_may_be_longer_than_what_is_asked_at_once() -> None:
    make, shape = DENSENETS["depth 16, growth 6"]
    case = Case(make(), shape)
    assert case.num_gates > 256
    saved = macs_saved_by_gate(case.network, case.sites, case.all_open)
    for gate in (0, 255, 256, case.num_gates - 1):
        without = case.all_open
        without[gate] = False
        assert saved[gate] == case.macs(case.all_open) - case.macs(without)


def test_everything_closed_leaves_no_path_from_the_image(case: Case) -> None:
    alive = case.alive(np.zeros(case.num_gates, dtype=np.bool_))
    assert not alive.image_is_needed
    assert alive.is_emptied(case.site("head").node)
    assert case.macs(np.zeros(case.num_gates, dtype=np.bool_)) == 0


def test_the_traced_module_is_not_changed() -> None:
    module = SMALL_NETS[0]()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    Case(module, (3, 10, 10))
    assert module.layers[0].weight.device.type == "cpu"
    assert before.keys() == module.state_dict().keys()
    assert not torch.equal(before["head.weight"], module.head.weight)  # randomised by the case, not by the trace
