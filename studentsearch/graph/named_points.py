"""Feature points that a user names: layers, nodes, and containers, which mean their last output."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from studentsearch.errors import UnsupportedGraphError, UsageError
from studentsearch.graph.feature_points import FeaturePoint, feature_point, feature_points, node_of
from studentsearch.graph.network import Network, Node


def named_points(network: Network, names: Sequence[str]) -> tuple[FeaturePoint, ...]:
    """The points of some names.

    Args:
        network: The traced network.
        names: Each the path of a layer (`layer1.0.conv2`), the name of a node (`add_3`), or the path of a container
            (`layer1`), which means its last output.

    Returns:
        Points in the order of the names.

    Raises:
        UsageError: A name that means nothing here, or no feature map.
    """
    points: list[FeaturePoint] = []
    for name in names:
        node = node_of(network, name) or _last_output(network, name)
        if node is None:
            raise UsageError(_unknown(network, name))
        points.append(feature_point(network, node))
    return tuple(points)


def _last_output(network: Network, container: str) -> Node | None:
    """The last node of a container that something outside it reads."""
    inside = {node.index for node in network.nodes if _stands_in(node, container)}
    if not _has_places(network):
        inside |= _joined(network, inside)
    users = network.users()
    outputs = [
        node
        for node in network.nodes
        if node.index in inside and node.operation.kind != "Parameter" and not inside.issuperset(users[node.index])
    ]
    return outputs[-1] if outputs else None


def _stands_in(node: Node, container: str) -> bool:
    return (node.path or node.location).startswith(f"{container}.")


def _has_places(network: Network) -> bool:
    """Whether the trace says in which module functional calls stand; plain layers have one forward for them all."""
    return any("." in node.location for node in network.nodes if not node.path)


def _joined(network: Network, inside: set[int]) -> set[int]:
    """Functional calls that end a container: they join its branches, or one of them with what the container reads."""
    upstream = _ancestors(network, inside)
    joined: set[int] = set()
    for node in network.nodes:
        if node.path or not _is_computed(node):
            continue
        sources = [_unselected(network, source).index for source in network.sources_of(node) if _is_computed(source)]
        own = [index for index in sources if index in inside | joined]
        if len(sources) < 2:
            ends = bool(own) and own[0] in joined
        else:
            # A dense layer's output and what came before it are joined by the next layer.
            least = 2 if node.operation.kind == "Concat" else 1
            ends = len(own) >= least and all(index in upstream for index in sources if index not in own)
        if ends:
            joined.add(node.index)
    return joined


def _unselected(network: Network, node: Node) -> Node:
    """The node whose channels a selection picks; readers in a student pick what they need."""
    while node.operation.kind == "Select":
        (node,) = network.sources_of(node)
    return node


def _is_computed(node: Node) -> bool:
    return node.operation.kind not in {"Parameter", "Constant", "Output"}


def _ancestors(network: Network, inside: set[int]) -> set[int]:
    """Indices of what the nodes in `inside` are computed from, themselves left out."""
    found = set(inside)
    for node in reversed(network.nodes):
        if node.index in found:
            found.update(node.inputs)
    return found - inside


def _unknown(network: Network, name: str) -> str:
    computed = [node for node in network.nodes if node.operation.kind not in {"Parameter", "Output"}]
    paths = [node.path or node.location for node in computed]
    containers = {".".join(parts[:n]) for parts in (path.split(".") for path in paths) for n in range(1, len(parts))}
    known = sorted({*containers, *paths, *(node.name for node in computed)} - {""})
    nearest = ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.4)) or "none"
    return f'unknown feature point "{name}"; nearest: {nearest}; {_usual(network)}'


def _usual(network: Network) -> str:
    try:
        points = feature_points(network)
    except UnsupportedGraphError:  # a message about a name does not speak of sizes
        return "this network has no usual points"
    return f"the usual points are {', '.join(point.name for point in points)}"
