"""Names for the parts of a network that people talk about: its blocks, and which readers they hold."""

from __future__ import annotations

from collections import Counter

from studentsearch.graph.network import Network
from studentsearch.graph.operations.table import is_reader

_MOST = 0.7


def block_names(network: Network) -> dict[int, str]:
    """The block of every reader: the first part of its module path below the container that holds most readers.

    Args:
        network: The traced network.

    Returns:
        Block name by node index: `denseblock1` for `features.denseblock1.denselayer1.conv1`, `classifier` for
        `classifier`.
    """
    readers = [node for node in network.nodes if is_reader(node)]
    prefix: tuple[str, ...] = ()
    while True:
        children = Counter(
            parts[len(prefix)]
            for parts in (tuple(node.path.split(".")) for node in readers)
            if parts[: len(prefix)] == prefix and len(parts) > len(prefix) + 1
        )
        if not children or children.most_common(1)[0][1] < _MOST * len(readers):
            break
        prefix = (*prefix, children.most_common(1)[0][0])
    return {node.index: _name_below(tuple(node.path.split(".")), prefix) for node in readers}


def _name_below(parts: tuple[str, ...], prefix: tuple[str, ...]) -> str:
    return parts[len(prefix)] if parts[: len(prefix)] == prefix and len(parts) > len(prefix) else parts[0]
