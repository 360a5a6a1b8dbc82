import numpy as np
import pytest
from operation_names import RECORDS
from rule_nets import NETS

from studentsearch.graph.arguments import INPUT, Argument, resolve
from studentsearch.graph.dependencies import same
from studentsearch.graph.layer_classes import layer_class
from studentsearch.graph.network import Node, Operation, call
from studentsearch.graph.operations.operation_record import OperationRecord, elementwise_operation
from studentsearch.graph.operations.propagation import Applied, Propagation, all_channels
from studentsearch.graph.operations.reduction import mixing_along
from studentsearch.graph.operations.table import is_grouped, is_reader, record_of, use_operation
from studentsearch.graph.trace import trace

X: Argument = (INPUT, 0)
_OURS = {"Add", "Concat", "Input", "Output", "Parameter"}


def node(*shape: int, axis: int = 0) -> Node:
    operation = Operation(kind="Input")
    return Node(index=0, name="x", path="", operation=operation, inputs=(), shape=shape, axis=axis, dependencies=())


def applied_to(operation: Operation, shape: tuple[int, ...], *sources: Node) -> Applied:
    return Applied(operation=operation, sources=sources, shape=shape)


def propagation(operation: Operation, shape: tuple[int, ...], *sources: Node) -> Propagation:
    record = record_of(operation)
    assert record is not None
    assert record.propagate is not None
    return record.propagate(applied_to(operation, shape, *sources))


def macs(operation: Operation, shape: tuple[int, ...], *sources: Node) -> int:
    record = record_of(operation)
    assert record is not None
    assert record.macs is not None
    return record.macs(applied_to(operation, shape, *sources), propagation(operation, shape, *sources))


def conv(inputs: int, outputs: int, groups: int, kind: str = "Conv2d") -> Operation:
    arguments = {"in_channels": inputs, "out_channels": outputs, "kernel_size": (3, 3), "groups": groups}
    return Operation(kind=kind, arguments=arguments)


def test_every_operation_of_the_table_is_one_of_torch_or_ours() -> None:
    for name in (record.name for record in RECORDS):
        if "." in name:
            assert callable(resolve(name))
        else:
            assert name in _OURS or layer_class(name) is not None, name


def test_a_convolution_reads() -> None:
    found = propagation(conv(4, 6, 1), (6, 5, 5), node(4, 7, 7))
    assert (found.axis, found.coupled, found.keeps_all) == (0, None, "")
    assert macs(conv(4, 6, 1), (6, 5, 5), node(4, 7, 7)) == 9 * 25
    assert found.dependencies[0].is_identity


def test_groups_live_and_die_whole() -> None:
    found = propagation(conv(4, 6, 2), (6, 5, 5), node(4, 7, 7))
    assert found.coupled is not None
    assert found.coupled.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.dependencies[0].sources is not None
    assert found.dependencies[0].sources.tolist() == [[0, 1]] * 3 + [[2, 3]] * 3
    assert macs(conv(4, 6, 2), (6, 5, 5), node(4, 7, 7)) == 9 * 25 * 2


def test_a_depthwise_convolution_carries_each_channel() -> None:
    found = propagation(conv(4, 4, 4), (4, 5, 5), node(4, 7, 7))
    assert found.coupled is None
    assert found.dependencies[0].is_identity


def test_a_transposed_convolution_costs_by_its_input() -> None:
    assert macs(conv(4, 6, 1, "ConvTranspose2d"), (6, 9, 9), node(4, 7, 7)) == 9 * 49


def test_a_layer_along_positions_is_whole() -> None:
    operation = Operation(kind="Linear", arguments={"in_features": 7, "out_features": 2})
    found = propagation(operation, (4, 2), node(4, 7))
    assert found.keeps_all == "reads another axis than channels"
    assert macs(operation, (4, 2), node(4, 7)) * 2 == 4 * 2 * 7


def test_inputs_of_size_one_are_repeated() -> None:
    found = propagation(call("torch.mul", X, (INPUT, 1)), (3, 5, 5), node(3, 5, 5), node(1, 5, 5))
    assert found.dependencies[0].is_identity
    assert found.dependencies[1].labels(np.array([7])).tolist() == [7, 7, 7]
    assert propagation(Operation(kind="Add"), (4, 4), node(4, 4), node(4, 4, axis=1)).keeps_all.startswith(
        "joins channels"
    )


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
    found = propagation(call("torch.sum", X, dims, keep), (4, 5, 6)[: 3 if keep else 1], node(4, 5, 6))
    assert found.axis == axis
    assert bool(found.keeps_all) is is_whole


def test_a_reduction_over_an_axis_before_the_channels_moves_them() -> None:
    assert propagation(call("torch.mean", X, 1), (4, 5), node(2, 4, 5, axis=1)).axis == 0


def test_a_concatenation_gives_each_input_its_stretch() -> None:
    operation = Operation(kind="Concat", arguments={"axis": 1})
    found = propagation(operation, (5, 4), node(2, 4), node(3, 4))
    assert [dependency.labels(np.arange(3)).tolist() for dependency in found.dependencies] == [
        [0, 1, -1, -1, -1],
        [-1, -1, 0, 1, 2],
    ]


def test_a_concatenation_along_positions_leaves_channels_as_they_are() -> None:
    found = propagation(Operation(kind="Concat", arguments={"axis": 2}), (3, 8), node(3, 4), node(3, 4))
    assert all(dependency.is_identity for dependency in found.dependencies)


@pytest.mark.parametrize(("groups", "coupled"), [(1, [0] * 6), (3, [0, 0, 1, 1, 2, 2]), (6, None)])
def test_a_group_of_a_norm_stays_together(groups: int, coupled: list[int] | None) -> None:
    operation = Operation(kind="GroupNorm", arguments={"num_groups": groups, "num_channels": 6})
    found = propagation(operation, (6, 4, 4), node(6, 4, 4))
    assert (None if found.coupled is None else found.coupled.tolist()) == coupled
    assert bool(found.keeps_all) is (groups == 1)


@pytest.mark.parametrize(("shape", "is_whole"), [((3, 4, 4), True), ((4,), False)])
def test_a_layer_norm_is_whole_where_it_covers_channels(shape: tuple[int, ...], is_whole: bool) -> None:
    operation = Operation(kind="LayerNorm", arguments={"normalized_shape": shape})
    assert (propagation(operation, (3, 4, 4), node(3, 4, 4)).keeps_all == "norms over all") is is_whole


def test_who_reads() -> None:
    network = trace(NETS["grouped"].fresh(), (3, 8, 8))
    by_path = {node.path: node for node in network.nodes}
    assert is_reader(by_path["stem"])
    assert not is_reader(by_path["one"])
    assert is_grouped(by_path["one"])


@pytest.mark.usefixtures("own_table")
def test_an_operation_can_be_taught() -> None:
    operation = call("torch.special.bessel_j0", X)
    assert record_of(operation) is None
    use_operation(elementwise_operation("torch.special.bessel_j0"))
    assert propagation(operation, (3, 4), node(3, 4)).dependencies[0].is_identity


@pytest.mark.usefixtures("own_table")
def test_a_rule_with_an_axis() -> None:
    use_operation(OperationRecord(name="torch.cumsum", propagate=mixing_along("dim", 1)))
    assert propagation(call("torch.cumsum", X, 2), (3, 4, 4), node(3, 4, 4)).dependencies[0].sources is same(3).sources
    assert propagation(call("torch.cumsum", X, 1), (3, 4, 4), node(3, 4, 4)).keeps_all == "mixes its channels"


def test_all_channels_needs_everything() -> None:
    found = all_channels(applied_to(call("torch.sort", X), (3, 4), node(3, 4)), "sorts")
    assert found.keeps_all == "sorts"
    assert found.dependencies[0].needed(np.array([True, False, False])).all()
