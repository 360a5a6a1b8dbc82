"""What of a network is gated, what is left whole, and why: said before any work starts."""

from __future__ import annotations

from studentsearch.graph.gates import GateSite, left_whole, num_gates
from studentsearch.graph.network import Network

_NAMED = 3


def gating_lines(network: Network, sites: tuple[GateSite, ...], *, is_bound: bool) -> tuple[str, ...]:
    """What a user is told about a network's gates.

    Args:
        network: The traced network.
        sites: Its gates.
        is_bound: Whether its trace holds for pictures of the traced size only.

    Returns:
        One line for what is gated, one for each reason for which layers are left whole, one where pictures must keep
        their size.
    """
    lines = [f"{num_gates(sites):,} gates on the inputs of {len(sites)} layers"]
    paths: dict[str, list[str]] = {}
    for layer in left_whole(network, sites):
        paths.setdefault(layer.reason, []).append(layer.path)
    for reason, found in paths.items():
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        lines.append(f"no gates of its own ({reason}): {', '.join(found[:_NAMED])}{more}")
    if is_bound:
        size = "x".join(map(str, network.input_shape[1:]))
        lines.append(
            f"students hold for pictures of {size} only: the network computes sizes from the picture's own, "
            "which are numbers once it was followed"
        )
    return tuple(lines)
