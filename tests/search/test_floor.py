from itertools import product

import numpy as np
import pytest
from nets import SMALL_NETS, Case, small_case
from torchvision.models.densenet import DenseNet

from studentsearch.graph.macs import count_macs
from studentsearch.search.floor import indispensable_readers, keep_one_open, smallest_macs


def _tiny_densenet() -> Case:
    net = DenseNet(growth_rate=1, block_config=(1, 1), num_init_features=2, bn_size=2, num_classes=2)
    return Case(net, (3, 16, 16))


def _brute_force(case: Case) -> int:
    """The cheapest of all settings that the image passes, with one gate or none open in each reader."""
    choices = product(*(range(-1, site.num_gates) for site in case.sites))
    picked = np.array(list(choices))
    is_open = np.zeros((len(picked), case.num_gates), dtype=np.bool_)
    for column, site in enumerate(case.sites):
        rows = np.flatnonzero(picked[:, column] >= 0)
        is_open[rows, site.start + picked[rows, column]] = True
    alive = case.alive(is_open)
    return int(count_macs(case.network, alive)[alive.image_is_needed].min())


def test_the_floor_of_a_densenet_is_the_cheapest_path() -> None:
    case = _tiny_densenet()
    assert [site.path for site in indispensable_readers(case.gated)] == [
        "features.transition1.conv",
        "classifier",
    ]
    assert smallest_macs(case.gated) == _brute_force(case)


@pytest.mark.parametrize("net", SMALL_NETS, ids=lambda net: net.__name__)
def test_the_floor_of_small_nets_is_the_cheapest_path(net: type) -> None:
    case = small_case(net)
    assert 0 < smallest_macs(case.gated) == _brute_force(case)


def test_no_random_setting_that_the_image_reaches_is_below_the_floor() -> None:
    case = _tiny_densenet()
    floor = smallest_macs(case.gated)
    generator = np.random.default_rng(0)
    for _ in range(300):
        is_open = generator.random(case.num_gates) < 0.3
        if case.alive(is_open).image_is_needed:
            assert case.macs(is_open) >= floor


def test_a_residual_branch_is_not_indispensable() -> None:
    case = small_case(SMALL_NETS[1])
    assert [site.path for site in indispensable_readers(case.gated)] == ["head"]


def test_the_largest_gate_of_an_emptied_reader_is_given_back() -> None:
    case = small_case(SMALL_NETS[0])
    before = np.linspace(1.0, 0.1, case.num_gates, dtype=np.float32)
    before[case.site("head").start + 3] = 2.0
    iterate = before.copy()
    iterate[case.site("head").span] = 0
    iterate[case.site("layers.8").start] = 0
    assert keep_one_open(iterate, before, case.sites).tolist() == [case.site("head").start + 3]
    assert keep_one_open(before, before, case.sites).tolist() == []
