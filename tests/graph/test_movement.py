import numpy as np
import pytest
import torch
from torch import Tensor

from studentsearch.graph.arguments import BATCH, INPUT
from studentsearch.graph.dependencies import same
from studentsearch.graph.network import Node, Operation, call
from studentsearch.graph.operations.movements import moving, numbers, run
from studentsearch.graph.operations.propagation import Applied, Propagation
from studentsearch.graph.operations.table import is_movement
from studentsearch.graph.recording.movement import Moved, moves_batch, picked_channels, regrouped, with_batch_first

X = (INPUT, 0)


def node(*shape: int, axis: int = 0) -> Node:
    operation = Operation(kind="Input")
    return Node(index=0, name="x", path="", operation=operation, inputs=(), shape=shape, axis=axis)


def propagation(operation: Operation, source: Node) -> Propagation:
    return moving(Applied(operation=operation, sources=(source,), shape=()))


def moved(source: Node, *operations: Operation) -> Moved:
    value, entries = None, numbers(source.shape)
    for operation in operations:
        entries = run(operation, entries)
        value = Moved(base=source, entries=entries, operation=operation, parent=value)
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("operations", "channels"),
    [
        ((call("torch.narrow", X, 1, 2, 3),), [2, 3, 4]),
        ((call("operator.getitem", X, (("$slice", None, None, None), ("$slice", 1, None, 2))),), [1, 3, 5]),
        ((call("torch.nn.functional.pad", X, (0, 0, 0, 0, 1, 1)),), [-1, 0, 1, 2, 3, 4, 5, -1]),
        ((call("torch.flip", X, (1,)),), [5, 4, 3, 2, 1, 0]),
        ((Operation(kind="ChannelShuffle", arguments={"groups": 2}),), [0, 3, 1, 4, 2, 5]),
        (
            (
                call("torch.reshape", X, (("$batch", 1), 2, 3, 4, 5)),
                call("torch.transpose", X, 1, 2),
                call("torch.reshape", X, (("$batch", 1), 6, 4, 5)),
            ),
            [0, 3, 1, 4, 2, 5],
        ),
        ((call("torch.transpose", X, 2, 3),), None),
        ((call("torch.flip", X, (2,)),), None),
        ((call("torch.flatten", X, 1),), None),
    ],
)
def test_chains_that_only_pick_channels(operations: tuple[Operation, ...], channels: list[int] | None) -> None:
    found = picked_channels(node(6, 4, 5), moved(node(6, 4, 5), *operations).entries)
    assert (None if found is None else found.tolist()) == channels


def test_channels_are_found_behind_a_permutation() -> None:
    source = node(4, 5, 6, axis=2)
    chosen = moved(source, call("torch.narrow", X, 3, 1, 2))
    found = picked_channels(source, chosen.entries)
    assert found is not None
    assert found.tolist() == [1, 2]


def test_a_permutation_takes_channels_along() -> None:
    operation = call("torch.permute", X, (0, 2, 3, 1))
    found = propagation(operation, node(6, 4, 5))
    assert found.axis == 2
    assert found.dependencies[0].is_identity
    assert not found.keeps_all


def test_a_flatten_spreads_each_channel() -> None:
    operation = call("torch.flatten", X, 1)
    found = propagation(operation, node(3, 2, 2))
    assert found.dependencies[0].labels(np.arange(3)).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]


def test_pixel_shuffle_gathers_channels() -> None:
    operation = Operation(kind="PixelShuffle", arguments={"upscale_factor": 2})
    found = propagation(operation, node(8, 2, 2))
    assert found.dependencies[0].sources is not None
    assert found.dependencies[0].sources.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_what_is_not_followed_is_whole() -> None:
    operation = call("torch.roll", X, 1)  # over all entries, so that channels mix
    found = propagation(operation, node(3, 2))
    assert found.keeps_all == "picks channels in a way that is not followed"
    assert found.coupled is not None
    assert not found.coupled.any()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((6, 4, 5), (2, 3, 20)),
        ((6, 4, 5), (120,)),
        ((120,), (6, 4, 5)),
        ((6, 1, 1), (6,)),
        ((6,), (6, 1, 1)),
        ((4, 6), (8, 3)),
    ],
)
def test_a_reshape_is_flattens_and_unflattens(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    x = torch.randn(3, *before)
    result: Tensor = x
    for operation in regrouped(before, after):
        assert is_movement(operation)
        arguments = operation.arguments["arguments"]
        assert isinstance(arguments, tuple)
        function = {"torch.flatten": torch.flatten, "torch.unflatten": torch.unflatten}[operation.name]
        result = function(result, *arguments[1:])
    assert torch.equal(result, x.reshape(3, *after))


@pytest.mark.parametrize("take", [call("torch.select", X, 0, 1), call("operator.getitem", X, 1)])
def test_a_part_of_a_permutation_leaves_the_batch_first(take: Operation) -> None:
    split = call("torch.reshape", X, ((BATCH, 1), 5, 3, 2, 4))
    value = moved(node(5, 24, axis=1), split, call("torch.permute", X, (2, 0, 3, 1, 4)), take)
    found = with_batch_first(value)
    assert found.parent is not None
    assert torch.equal(found.entries, value.entries)
    assert found.parent.entries.shape == (1, 5, 2, 4)
    assert found.operation == call("torch.permute", X, (0, 2, 1, 3))


def test_other_movements_stay_what_they_are() -> None:
    value = moved(node(5, 24, axis=1), call("torch.transpose", X, 1, 2), call("torch.narrow", X, 1, 0, 3))
    assert with_batch_first(value) is value
    assert with_batch_first(moved(node(4), call("torch.flatten", X, 1))).parent is None


def test_multiples_of_the_batch_are_noticed() -> None:
    assert moves_batch(((BATCH, 4), -1))
    assert moves_batch((X, ((BATCH, 2), 3)))
    assert not moves_batch(((BATCH, 1), 4, (BATCH, 1)))
    assert not moves_batch("reshape")


def test_an_identity_is_the_same_dependency() -> None:
    operation = call("torch.unsqueeze", X, -1)
    found = propagation(operation, node(3, 2))
    assert found.dependencies[0].sources is same(3).sources
