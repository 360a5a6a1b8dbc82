import numpy as np
import pytest

from studentsearch.graph.dependencies import ChannelDependency, Indices, Mask, all_of, same, taking


def drawn(seed: int) -> tuple[ChannelDependency, Indices]:
    """A dependency whose channels take up to three inputs each, and its rows."""
    generator = np.random.default_rng(seed)
    num_inputs, num_channels, width = generator.integers(1, 7), generator.integers(1, 7), generator.integers(1, 4)
    rows = np.full((num_channels, width), -1)
    for row in rows:
        count = generator.integers(0, min(width, num_inputs) + 1)
        row[:count] = generator.permutation(num_inputs)[:count]
    return taking(rows, int(num_inputs)), rows


def needed_by_hand(rows: Indices, num_inputs: int, wanted: Mask) -> Mask:
    mask = np.zeros((*wanted.shape[:-1], num_inputs), dtype=np.bool_)
    for channel, row in enumerate(rows):
        for source in row[row >= 0]:
            mask[..., source] |= wanted[..., channel]
    return mask


@pytest.mark.parametrize("seed", range(40))
def test_needed_is_the_union_of_what_the_wanted_take(seed: int) -> None:
    dependency, rows = drawn(seed)
    wanted = np.random.default_rng(seed).random((2, 3, len(rows))) < 0.5
    assert np.array_equal(dependency.needed(wanted), needed_by_hand(rows, dependency.num_inputs, wanted))


@pytest.mark.parametrize("seed", range(40))
def test_present_is_what_has_all_its_sources(seed: int) -> None:
    dependency, rows = drawn(seed)
    there = np.flatnonzero(np.random.default_rng(seed).random(dependency.num_inputs) < 0.6)
    expected = [channel for channel, row in enumerate(rows) if set(row[row >= 0].tolist()) <= set(there.tolist())]
    assert dependency.present(there, len(rows)).tolist() == expected


@pytest.mark.parametrize(
    "rows",
    [
        [[2], [3], [4]],
        [[-1], [0], [1], [-1]],
        [[1], [0]],
        [[0], [0]],
        [[-1], [-1]],
        [[0, 1], [2, 3]],
        [[3, -1], [1, 0]],
    ],
)
def test_every_way_of_computing_needed(rows: list[list[int]]) -> None:
    array = np.array(rows)
    dependency = taking(array, 5)
    for wanted in np.eye(len(rows), dtype=np.bool_):
        assert np.array_equal(dependency.needed(wanted), needed_by_hand(array, 5, wanted))


def test_same_is_an_identity_and_is_recognised() -> None:
    assert same(4).is_identity
    assert taking(np.arange(4), 4).is_identity
    assert not taking(np.arange(4), 5).is_identity
    wanted = np.array([True, False, True, False])
    assert same(4).needed(wanted) is wanted
    assert same(4).present(np.array([1, 3]), 4).tolist() == [1, 3]


def test_all_of_needs_everything_for_anything() -> None:
    dependency = all_of(3, 2)
    assert dependency.needed(np.array([False, True])).tolist() == [True, True, True]
    assert dependency.needed(np.array([False, False])).tolist() == [False, False, False]
    assert dependency.present(np.array([0, 1]), 2).tolist() == []
    assert dependency.present(np.array([0, 1, 2]), 2).tolist() == [0, 1]


def test_labels_are_those_of_the_first_source() -> None:
    given = np.array([7, 8, 9])
    assert taking(np.array([[2, 0], [-1, -1], [0, 1]]), 3).labels(given).tolist() == [9, -1, 7]
    assert same(3).labels(given) is given
