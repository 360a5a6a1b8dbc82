import numpy as np
import pytest
from rule_nets import NETS

from studentsearch.graph import rules
from studentsearch.graph.arguments import INPUT, Argument, resolve
from studentsearch.graph.links import same
from studentsearch.graph.network import Node, Operation, call
from studentsearch.graph.passages import Passage, Step, elementwise, mixing_along, whole
from studentsearch.graph.recording.describe import layer_class
from studentsearch.graph.rules import RULES, rule_of, use_rule
from studentsearch.graph.trace import trace
from studentsearch.graph.weighted import is_depthwise, is_grouped, is_reader

X: Argument = (INPUT, 0)
_OURS = {"Add", "Concat", "Output"}


def node(*shape: int, axis: int = 0) -> Node:
    operation = Operation(kind="Input")
    return Node(index=0, name="x", path="", operation=operation, inputs=(), shape=shape, axis=axis, links=())


def passage(operation: Operation, shape: tuple[int, ...], *sources: Node) -> Passage:
    rule = rule_of(operation)
    assert rule is not None
    return rule(Step(operation=operation, sources=sources, shape=shape))


def conv(inputs: int, outputs: int, groups: int, kind: str = "Conv2d") -> Operation:
    arguments = {"in_channels": inputs, "out_channels": outputs, "kernel_size": (3, 3), "groups": groups}
    return Operation(kind=kind, arguments=arguments)


def test_every_operation_of_the_table_is_one_of_torch_or_ours() -> None:
    for name in RULES:
        if "." in name:
            assert callable(resolve(name))
        else:
            assert name in _OURS or layer_class(name) is not None, name


def test_a_convolution_reads() -> None:
    way = passage(conv(4, 6, 1), (6, 5, 5), node(4, 7, 7))
    assert (way.axis, way.work, way.ties, way.whole) == (0, 9 * 25, None, "")
    assert way.links[0].is_identity


def test_groups_live_and_die_whole() -> None:
    way = passage(conv(4, 6, 2), (6, 5, 5), node(4, 7, 7))
    assert way.ties is not None
    assert way.ties.tolist() == [0, 0, 0, 1, 1, 1]
    assert way.links[0].sources is not None
    assert way.links[0].sources.tolist() == [[0, 1]] * 3 + [[2, 3]] * 3
    assert way.work == 9 * 25 * 2


def test_a_depthwise_convolution_carries_each_channel() -> None:
    way = passage(conv(4, 4, 4), (4, 5, 5), node(4, 7, 7))
    assert way.ties is None
    assert way.links[0].is_identity


def test_a_transposed_convolution_costs_by_its_input() -> None:
    assert passage(conv(4, 6, 1, "ConvTranspose2d"), (6, 9, 9), node(4, 7, 7)).work == 9 * 49


def test_a_layer_along_positions_is_whole() -> None:
    operation = Operation(kind="Linear", arguments={"in_features": 7, "out_features": 2})
    way = passage(operation, (4, 2), node(4, 7))
    assert way.whole == "reads another axis than channels"
    assert way.work * 2 == 4 * 2 * 7


def test_inputs_of_size_one_are_repeated() -> None:
    way = passage(call("torch.mul", X, (INPUT, 1)), (3, 5, 5), node(3, 5, 5), node(1, 5, 5))
    assert way.links[0].is_identity
    assert way.links[1].labels(np.array([7])).tolist() == [7, 7, 7]
    assert passage(Operation(kind="Add"), (4, 4), node(4, 4), node(4, 4, axis=1)).whole.startswith("joins channels")


@pytest.mark.parametrize(
    ("dims", "keep", "axis", "is_whole"),
    [
        ((2, 3), False, 0, False),
        ((1,), False, 0, True),
        (-1, False, 0, False),
        (None, False, 0, True),
        ((2,), True, 0, False),
    ],
)
def test_reductions(dims: Argument, keep: bool, axis: int, is_whole: bool) -> None:
    way = passage(call("torch.sum", X, dims, keep), (4, 5, 6)[: 3 if keep else 1], node(4, 5, 6))
    assert way.axis == axis
    assert bool(way.whole) is is_whole


def test_a_reduction_over_an_axis_before_the_channels_moves_them() -> None:
    assert passage(call("torch.mean", X, 1), (4, 5), node(2, 4, 5, axis=1)).axis == 0


def test_a_concatenation_gives_each_input_its_stretch() -> None:
    operation = Operation(kind="Concat", arguments={"axis": 1})
    way = passage(operation, (5, 4), node(2, 4), node(3, 4))
    assert [link.labels(np.arange(3)).tolist() for link in way.links] == [[0, 1, -1, -1, -1], [-1, -1, 0, 1, 2]]


def test_a_concatenation_along_positions_leaves_channels_as_they_are() -> None:
    way = passage(Operation(kind="Concat", arguments={"axis": 2}), (3, 8), node(3, 4), node(3, 4))
    assert all(link.is_identity for link in way.links)


@pytest.mark.parametrize(("groups", "ties"), [(1, [0] * 6), (3, [0, 0, 1, 1, 2, 2]), (6, None)])
def test_a_group_of_a_norm_stays_together(groups: int, ties: list[int] | None) -> None:
    operation = Operation(kind="GroupNorm", arguments={"num_groups": groups, "num_channels": 6})
    way = passage(operation, (6, 4, 4), node(6, 4, 4))
    assert (None if way.ties is None else way.ties.tolist()) == ties
    assert bool(way.whole) is (groups == 1)


@pytest.mark.parametrize(("shape", "is_whole"), [((3, 4, 4), True), ((4,), False)])
def test_a_layer_norm_is_whole_where_it_covers_channels(shape: tuple[int, ...], is_whole: bool) -> None:
    operation = Operation(kind="LayerNorm", arguments={"normalized_shape": shape})
    assert (passage(operation, (3, 4, 4), node(3, 4, 4)).whole == "norms over all") is is_whole


def test_who_reads() -> None:
    network = trace(NETS["grouped"].fresh(), (3, 8, 8))
    by_path = {node.path: node for node in network.nodes}
    assert is_reader(by_path["stem"])
    assert not is_reader(by_path["one"])
    assert is_grouped(by_path["one"])
    assert not is_depthwise(by_path["one"])
    assert is_depthwise(
        next(n for n in trace(NETS["depthwise_with_multiplier"].fresh(), (3, 8, 8)).nodes if n.path == "two")
    )


@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is forgotten afterwards."""
    table = dict(RULES)
    monkeypatch.setattr(rules, "_RULES", table)
    monkeypatch.setattr(rules, "RULES", table)


@pytest.mark.usefixtures("taught")
def test_a_rule_can_be_taught() -> None:
    operation = call("torch.special.expit", X)
    assert rule_of(operation) is None
    use_rule("torch.special.expit", elementwise)
    assert rule_of(operation) is elementwise


@pytest.mark.usefixtures("taught")
def test_a_rule_with_an_axis() -> None:
    use_rule("torch.cumsum", mixing_along("dim", 1))
    assert passage(call("torch.cumsum", X, 2), (3, 4, 4), node(3, 4, 4)).links[0].sources is same(3).sources
    assert passage(call("torch.cumsum", X, 1), (3, 4, 4), node(3, 4, 4)).whole == "mixes its channels"


def test_whole_needs_everything() -> None:
    way = whole(Step(operation=call("torch.sort", X), sources=(node(3, 4),), shape=(3, 4)), "sorts")
    assert way.whole == "sorts"
    assert way.links[0].needed(np.array([True, False, False])).all()
