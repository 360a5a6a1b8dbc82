"""What no search can go below: the cheapest network through which the image still reaches the logits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from studentsearch.graph.gates import GateSite, num_gates
from studentsearch.graph.links import Mask
from studentsearch.graph.liveness import liveness
from studentsearch.graph.macs import count_macs
from studentsearch.graph.network import Network
from studentsearch.graph.outputs import toward_logits


def indispensable_readers(network: Network, sites: tuple[GateSite, ...]) -> tuple[GateSite, ...]:
    """Readers without which no path leads from the image to the output, in topological order.

    Args:
        network: The traced network.
        sites: Its gates.

    Returns:
        Their sites; each must keep one gate open.
    """
    without = np.ones((len(sites), num_gates(sites)), dtype=np.bool_)
    for row, site in enumerate(sites):
        without[row, site.span] = False
    reached = liveness(toward_logits(network), sites, without).image_is_needed
    return tuple(site for site, is_reached in zip(sites, reached, strict=True) if not is_reached)


def smallest_macs(network: Network, sites: tuple[GateSite, ...]) -> int:
    """Multiply-accumulates of the smallest student: the cheapest gates along the cheapest path from image to output.

    Args:
        network: The traced network.
        sites: Its gates.

    Returns:
        An exact integer; choices are made one reader after the other from the image on.
    """
    path = _cheapest_path(toward_logits(network), sites)
    is_open = np.zeros(num_gates(sites), dtype=np.bool_)
    for site in path:
        is_open[site.span] = True
    for site in path:
        is_open = _cheapest_gate(network, sites, site, is_open)
    return int(count_macs(network, liveness(network, sites, is_open)))


def _cheapest_path(network: Network, sites: tuple[GateSite, ...]) -> tuple[GateSite, ...]:
    """The readers with gates on the path that is cheapest when every layer on it keeps one filter and one input."""
    site_of = {site.node: site for site in sites}
    costs: list[float] = []
    paths: list[tuple[GateSite, ...]] = []
    for node in network.nodes:
        if not node.inputs:
            costs.append(0)
            paths.append(())
            continue
        source = min(node.inputs, key=costs.__getitem__)
        costs.append(math.inf if node.operation.kind == "Constant" else costs[source] + node.work)
        paths.append((*paths[source], site_of[node.index]) if node.index in site_of else paths[source])
    return paths[-1]


def _cheapest_gate(network: Network, sites: tuple[GateSite, ...], site: GateSite, is_open: Mask) -> Mask:
    choices = np.repeat(is_open[np.newaxis], site.num_gates, axis=0)
    choices[:, site.span] = np.eye(site.num_gates, dtype=np.bool_)
    alive, to_logits = liveness(network, sites, choices), toward_logits(network)
    is_reached = (alive if to_logits is network else liveness(to_logits, sites, choices)).image_is_needed
    macs: NDArray[np.int64] = np.where(is_reached, count_macs(network, alive), np.iinfo(np.int64).max)
    return np.asarray(choices[int(macs.argmin())])


def keep_one_open(
    iterate: NDArray[np.float32], before: NDArray[np.float32], sites: tuple[GateSite, ...]
) -> NDArray[np.int64]:
    """Gates that must be given back their value of before, since their reader would lose its last input.

    Args:
        iterate: `[G]` after a step.
        before: `[G]` before it.
        sites: The indispensable readers.

    Returns:
        Indices into the gates: the largest of before in each reader that has none left.
    """
    lost = [site for site in sites if not iterate[site.span].any()]
    return np.array([site.start + int(np.argmax(before[site.span])) for site in lost], dtype=np.int64)
