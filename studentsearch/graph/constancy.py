"""What no image reaches any more, and gives one number a channel at every position: it need not be computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from studentsearch.graph.channels import reused_layers
from studentsearch.graph.dependencies import Mask
from studentsearch.graph.network import Network, Node
from studentsearch.graph.operations.table import record_of


def constant_nodes(
    network: Network, needed: Sequence[Mask], reads: Mapping[int, Mask], leading: tuple[int, ...]
) -> dict[int, Mask]:
    """The nodes that are one number a channel for every image of every size, though their gates may be open.

    Args:
        network: The traced network.
        needed: For every node `[..., C]`, what is needed of it.
        reads: For every reader, by node index, `[..., C_in]`.
        leading: The leading axes of the masks.

    Returns:
        By node index `[...]`; no entry where a node never is. A layer with zero padding is never one, unless it lost
        all its inputs: its border is unlike its middle (`bordered_nodes`).
    """
    emptied = {index: needed[index].any(axis=-1) & ~read.any(axis=-1) for index, read in reads.items()}
    if not any(mask.any() for mask in emptied.values()):
        return {}
    reused = {index for group in reused_layers(network) for index in group}
    constant: dict[int, Mask] = {}
    for node in network.nodes:
        found = np.zeros(leading, dtype=np.bool_)
        if node.inputs and node.index not in reused and keeps_constants(node):
            found = np.ones(leading, dtype=np.bool_)
            for source in node.inputs:
                found = found & constant[source] if source in constant else np.zeros(leading, dtype=np.bool_)
        if node.index in emptied:
            found = found | emptied[node.index]
        if found.any():
            constant[node.index] = np.asarray(found)
    return constant


def bordered_nodes(network: Network, constant: Mapping[int, Mask]) -> dict[int, Mask]:
    """The layers with zero padding that read constants: the same numbers everywhere but at the border.

    Args:
        network: The traced network.
        constant: From `constant_nodes`.

    Returns:
        By node index `[...]`, as there.
    """
    reused = {index for group in reused_layers(network) for index in group}
    layers = [node for node in network.nodes if node.inputs and node.index not in reused]
    return {
        node.index: constant[node.inputs[0]] & ~constant.get(node.index, np.zeros((), dtype=np.bool_))
        for node in layers
        if node.inputs[0] in constant and border_of(node)
    }


def border_of(node: Node) -> tuple[int, ...]:
    """For every spatial axis how many positions at either end of a layer's output see its zero padding.

    Args:
        node: Any node.

    Returns:
        Empty where that is not the same for images of every size, or where images are too small to have a middle.
    """
    record = record_of(node.operation)
    return () if record is None else record.on_constants.border(node)


def keeps_constants(node: Node) -> bool:
    """Whether a node gives one number a channel for inputs of one number a channel, at every size.

    Args:
        node: Any node.

    Returns:
        False also where that is not known.
    """
    record = record_of(node.operation)
    # The channels of a node that keeps all need not be those of its input, however many both have.
    return record is not None and not node.keeps_all and record.on_constants.keeps(node)
