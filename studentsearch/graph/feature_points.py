"""Where networks are compared: the stem's output, the last map before each change of size, and the last map of all.

A network's *stages* are the runs of maps of one size that every path from the image to the output passes, so that side
branches that come back (squeeze and excitation, shortcuts) make none. Stages that only pool, behind the last
convolution, belong to the averaging of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from studentsearch.errors import UnsupportedGraphError, UsageError
from studentsearch.graph.network import Network, Node
from studentsearch.graph.operations.operation_record import Family
from studentsearch.graph.operations.table import is_elementwise, is_of

_CONVOLUTIONS = (Family.CONVOLUTION, Family.TRANSPOSED_CONVOLUTION)
_NORMS = (Family.BATCH_NORM, Family.NORM, Family.ACTIVATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePoint:
    """A feature map by which networks are compared.

    Attributes:
        name: How a user writes it: the module path of its layer, or the node's name where that means another one.
        node: Name of its node in the network.
        shape: `(C, H, W)`.
    """

    name: str
    node: str
    shape: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.name} ({'x'.join(map(str, self.shape))})"


def feature_points(network: Network) -> tuple[FeaturePoint, ...]:
    """The usual points of a network: n + 1 for n stages.

    The first is the stem's output: the first convolution with the norms and activations that alone read it. Then comes
    the last map of each stage; where the stem is all of the first stage, its node stands twice.

    Args:
        network: The traced network.

    Returns:
        Points, shallow to deep.

    Raises:
        UnsupportedGraphError: No maps, or all of one size.
    """
    stages = _stages(network)
    if len(stages) < 2:
        found = f"feature maps of {_size(stages[0][0])} alone" if stages else "no feature maps [C, H, W]"
        raise UnsupportedGraphError(
            f"found {found} between image and output; expected stages of several sizes; "
            "name the points yourself, or choose a method that needs none"
        )
    return tuple(feature_point(network, node) for node in (_stem(network), *(_last(stage) for stage in stages)))


def feature_point(network: Network, node: Node) -> FeaturePoint:
    """A node as a point.

    Args:
        network: The traced network.
        node: One of its nodes.

    Returns:
        The point.

    Raises:
        UsageError: The node is no map `[C, H, W]`.
    """
    path_means_node = bool(node.path) and node_of(network, node.path) is node
    name = node.path if path_means_node else node.name
    if not _is_map(node):
        shape = "x".join(map(str, node.shape))
        raise UsageError(f"{name} gives {shape} an image; expected a feature map of channels, height and width")
    channels, height, width = node.shape
    return FeaturePoint(name=name, node=node.name, shape=(channels, height, width))


def node_of(network: Network, name: str) -> Node | None:
    """The node that a name or a module path means.

    Args:
        network: The traced network.
        name: A node's name, or the path of a layer, which means its last call.

    Returns:
        The node, None where there is none.
    """
    computed = [node for node in network.nodes if node.operation.kind not in {"Parameter", "Output"}]
    by_name = next((node for node in computed if node.name == name), None)
    return by_name or next((node for node in reversed(computed) if node.path == name), None)


def match_points(
    teacher: Sequence[FeaturePoint], student: Sequence[FeaturePoint]
) -> tuple[tuple[FeaturePoint, FeaturePoint], ...]:
    """The points that are compared with each other.

    Args:
        teacher: The teacher's points.
        student: The student's points.

    Returns:
        Pairs of a teacher's and a student's point, in order.

    Raises:
        UsageError: Not as many on both sides.
    """
    if len(teacher) != len(student):
        raise UsageError(
            f"the teacher has {len(teacher)} feature points: {_listed(teacher)}; the student has {len(student)}: "
            f"{_listed(student)}; expected as many on both sides; "
            "name those to compare with --points A,B,..., and the teacher's with --teacher-points where they differ"
        )
    return tuple(zip(teacher, student, strict=True))


def _listed(points: Sequence[FeaturePoint]) -> str:
    return ", ".join(map(str, points)) or "none"


def _stages(network: Network) -> list[list[Node]]:
    """Maps that every path passes from the first convolution on, by stage."""
    first = _first_convolution(network)
    if first is None:
        return []
    maps = [node for node in _passed_by_all(network) if node.index >= first.index and _is_map(node)]
    stages: list[list[Node]] = []
    num_kept, end = 0, -1
    for size, group in groupby(maps, key=lambda node: node.shape[1:]):
        stage = list(group)
        within = [node for node in network.nodes[end + 1 : stage[-1].index + 1] if _is_convolution(node)]
        if size == (1, 1) and not any(_shrinks(network, node) for node in within if node.index <= stage[0].index):
            break
        stages.append(stage)
        if any(node.shape[1:] == size for node in within):
            num_kept = len(stages)
        end = stage[-1].index
    return stages[:num_kept]


def _stem(network: Network) -> Node:
    node = _first_convolution(network)
    assert node is not None
    users = network.users()
    while True:
        readers = [network.nodes[index] for index in users[node.index] if _has_image(network.nodes[index])]
        if len(readers) != 1 or not _is_chained(network, readers[0]):
            return node
        (node,) = readers


def _passed_by_all(network: Network) -> list[Node]:
    """The nodes through which every path from an image to the output goes: no edge leads past them."""
    on_the_way = _on_the_way(network)
    furthest = max(node.index for node in network.nodes if node.operation.kind == "Input")
    users = network.users()
    passed: list[Node] = []
    for index in sorted(on_the_way):
        if index >= furthest:
            passed.append(network.nodes[index])
        furthest = max([furthest, *(user for user in users[index] if user in on_the_way)])
    return passed


def _on_the_way(network: Network) -> set[int]:
    """Indices of the nodes that lie between an image and the output."""
    reached: set[int] = set()
    for node in network.nodes:
        if node.operation.kind == "Input" or (_has_image(node) and not reached.isdisjoint(node.inputs)):
            reached.add(node.index)
    wanted = {network.nodes[-1].index}
    for node in reversed(network.nodes):
        if node.index in wanted and _has_image(node):
            wanted.update(node.inputs)
    return reached & wanted


def _first_convolution(network: Network) -> Node | None:
    on_the_way = _on_the_way(network)
    return next((node for node in network.nodes if _is_convolution(node) and node.index in on_the_way), None)


def _is_convolution(node: Node) -> bool:
    return is_of(node.operation, *_CONVOLUTIONS) and _is_map(node)


def _is_map(node: Node) -> bool:
    return len(node.shape) == 3 and node.axis == 0


def _has_image(node: Node) -> bool:
    """Whether a node depends on more of what it reads than the size."""
    return node.operation.kind not in {"Constant", "Parameter"}


def _shrinks(network: Network, node: Node) -> bool:
    (source,) = network.sources_of(node)
    return source.num_positions > node.num_positions


def _is_chained(network: Network, node: Node) -> bool:
    """Whether a node is a norm or an activation of one tensor."""
    sources = [source for source in network.sources_of(node) if _has_image(source)]
    is_plain = node.operation.kind != "Output" and not is_of(node.operation, Family.DROPOUT)
    is_plain = is_plain and (is_elementwise(node.operation) or is_of(node.operation, *_NORMS))
    return is_plain and len(sources) == 1 and sources[0].shape == node.shape


def _last(stage: Sequence[Node]) -> Node:
    """The last map of a stage before dropout, which makes it random, and before pooling, where it has any other."""
    computing = (node for node in reversed(stage) if not is_of(node.operation, Family.DROPOUT, Family.POOLING))
    return next(computing, stage[-1])


def _size(node: Node) -> str:
    return "x".join(map(str, node.shape[1:]))
