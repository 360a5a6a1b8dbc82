"""What of a network is gated, what keeps all channels, and why: said before any work starts."""

from __future__ import annotations

from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.graph.outputs import network_logits_path, network_outputs
from studentsearch.outputs import listed

_NAMED = 3


def gating_lines(gated: GatedNetwork, *, size_step: int) -> tuple[str, ...]:
    """What a user is told about a network's gates.

    Args:
        gated: The network and its gates.
        size_step: Its trace holds for sizes that differ from the traced one by multiples of this; 0 for that size only.

    Returns:
        One line for what is gated, one for each reason why layers keep all channels, one where images must have
        certain sizes.
    """
    lines = [f"{gated.num_gates:,} gates on the inputs of {len(gated.sites)} layers"]
    paths: dict[str, list[str]] = {}
    for layer in gated.ungated_layers():
        paths.setdefault(layer.reason, []).append(layer.path)
    for reason, found in paths.items():
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        lines.append(f"no gates of its own ({reason}): {', '.join(found[:_NAMED])}{more}")
    network = gated.network
    outputs = network_outputs(network)
    if len(outputs) > 1:
        lines.append(
            f"outputs: {listed(outputs)}; trained and evaluated: {network_logits_path(network)}; the others are kept"
        )
    if size_step != 1:
        size = "x".join(map(str, network.input_shape[1:]))
        held = f"of {size} only"
        if size_step:
            held = f"of {size}, and of sizes that differ from it by multiples of {size_step}, only"
        lines.append(
            f"students hold for images {held}: the network computes sizes from the image's own, which are numbers "
            "once it was followed"
        )
    return tuple(lines)
