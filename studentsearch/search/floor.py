"""What no search can go below: the cheapest network through which the image still reaches the logits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from studentsearch.graph.dependencies import Mask
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.graph.gates import GateSite


def indispensable_readers(gated: GatedNetwork) -> tuple[GateSite, ...]:
    """Readers without which no path leads from the image to the output, in topological order.

    Args:
        gated: The network and its gates.

    Returns:
        Their sites; each must keep one gate open.
    """
    without = np.ones((len(gated.sites), gated.num_gates), dtype=np.bool_)
    for row, site in enumerate(gated.sites):
        without[row, site.span] = False
    reached = gated.toward_logits().liveness(without).image_is_needed
    return tuple(site for site, is_reached in zip(gated.sites, reached, strict=True) if not is_reached)


def smallest_macs(gated: GatedNetwork) -> int:
    """Multiply-accumulates of the smallest student: the cheapest gates along the cheapest path from image to output.

    Args:
        gated: The network and its gates.

    Returns:
        An exact integer; choices are made one reader after the other from the image on.
    """
    path = _cheapest_path(gated.toward_logits())
    is_open = np.zeros(gated.num_gates, dtype=np.bool_)
    for site in path:
        is_open[site.span] = True
    for site in path:
        is_open = _cheapest_gate(gated, site, is_open)
    return int(gated.macs(is_open))


def _cheapest_path(gated: GatedNetwork) -> tuple[GateSite, ...]:
    """The readers with gates on the path that is cheapest when every layer on it keeps one filter and one input."""
    site_of = {site.node: site for site in gated.sites}
    costs: list[float] = []
    paths: list[tuple[GateSite, ...]] = []
    for node in gated.network.nodes:
        if not node.inputs:
            costs.append(0)
            paths.append(())
            continue
        source = min(node.inputs, key=costs.__getitem__)
        costs.append(math.inf if node.operation.kind == "Constant" else costs[source] + node.unit_macs)
        paths.append((*paths[source], site_of[node.index]) if node.index in site_of else paths[source])
    return paths[-1]


def _cheapest_gate(gated: GatedNetwork, site: GateSite, is_open: Mask) -> Mask:
    choices = np.repeat(is_open[np.newaxis], site.num_gates, axis=0)
    choices[:, site.span] = np.eye(site.num_gates, dtype=np.bool_)
    is_reached = gated.toward_logits().liveness(choices).image_is_needed
    macs: NDArray[np.int64] = np.where(is_reached, gated.macs(choices), np.iinfo(np.int64).max)
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


def largest_within(
    gated: GatedNetwork, before: NDArray[np.float32], after: NDArray[np.float32], budget_macs: int
) -> int:
    """The largest count within a budget that keeping gates open reaches which closed in the last step.

    Args:
        gated: The network and its gates.
        before: `[G]`, the gates before the step, closed where 0.
        after: `[G]` after it, of a count within the budget.
        budget_macs: The budget.

    Returns:
        An exact integer; the gates that were largest before are kept first.
    """
    closed = np.flatnonzero((before != 0) & (after == 0))
    ranked = closed[np.argsort(-np.abs(before[closed]), kind="stable")]

    def count(num_kept: int) -> int:
        is_open = after != 0
        is_open[ranked[:num_kept]] = True
        return int(gated.macs(is_open))

    fewest, most = 0, len(ranked)  # a count only grows with what is kept
    while fewest < most:
        middle = (fewest + most + 1) // 2
        fewest, most = (middle, most) if count(middle) <= budget_macs else (fewest, middle - 1)
    return count(fewest)
