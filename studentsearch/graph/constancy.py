"""What no image reaches any more, and gives one number a channel at every position: it need not be computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from studentsearch.graph.links import Mask
from studentsearch.graph.network import Network, Node
from studentsearch.graph.passages import elementwise
from studentsearch.graph.recording.movement import MOVEMENTS
from studentsearch.graph.rules import COMPARISONS, DROPOUTS, ELEMENTWISE, POOLS, rule_of
from studentsearch.graph.weighted import CONVOLUTIONS, NORMS, is_reader

KEEPING = frozenset({"torch.mean", "torch.amax", "torch.amin", "torch.nn.functional.interpolate", "Upsample"})
"""Operations that give back a constant, whatever the size."""
_STATISTICS = frozenset({
    *("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "GroupNorm", "LocalResponseNorm", "PReLU")
})


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
    reused = {index for group in network.reused for index in group}
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
    reused = {index for group in network.reused for index in group}
    layers = [node for node in network.nodes if node.operation.kind in CONVOLUTIONS and node.index not in reused]
    return {
        node.index: constant[node.inputs[0]] & ~constant.get(node.index, np.zeros((), dtype=np.bool_))
        for node in layers
        if node.inputs[0] in constant and border_of(node)
    }


def border_of(node: Node) -> tuple[int, ...]:
    """For every spatial axis how many positions at either end of a convolution's output see its zero padding.

    Args:
        node: A convolution.

    Returns:
        Empty where that is not the same for images of every size, or where images are too small to have a middle.
    """
    arguments, axes = node.operation.arguments, len(node.shape) - 1
    if node.whole or node.axis != 0 or not _is_padded(node) or any(step != 1 for step in _each("stride", node)):
        return ()
    extents = [
        dilation * (size - 1) + 1
        for size, dilation in zip(_each("kernel_size", node), _each("dilation", node), strict=True)
    ]
    if arguments["padding"] == "same":
        border = tuple((extent - 1) // 2 for extent in extents) if all(extent % 2 for extent in extents) else ()
    else:
        border = _each("padding", node)
    has_middle = len(border) == axes and all(
        size > 2 * width for size, width in zip(node.shape[1:], border, strict=True)
    )
    return border if has_middle else ()


def _each(name: str, node: Node) -> tuple[int, ...]:
    value = node.operation.arguments[name]
    given = value if isinstance(value, tuple) else (value,) * (len(node.shape) - 1)
    return tuple(item for item in given if isinstance(item, int))


def keeps_constants(node: Node) -> bool:
    """Whether a node gives one number a channel for inputs of one number a channel, at every size.

    Args:
        node: Any node.

    Returns:
        False also where that is not known.
    """
    kind, name = node.operation.kind, node.operation.name
    if node.whole or name in COMPARISONS or kind in {"Input", "Output", "Parameter", "Constant"}:
        return False
    if kind in CONVOLUTIONS:
        return not _is_padded(node) and node.axis == 0
    if kind == "Linear":
        return is_reader(node)
    if norms_keep_constants(node):
        return True
    if any(link.sources is not None and link.sources.shape[1] > 1 for link in node.links):
        return False
    if kind in {"Concat", "Select", "Flatten"} or name in MOVEMENTS:
        return True
    is_alike = all(link.is_identity for link in node.links)
    if name in KEEPING or name in DROPOUTS or pools_keep_constants(node):
        return is_alike
    is_elementwise = kind in ELEMENTWISE or rule_of(node.operation) is elementwise
    return is_elementwise and all(link.is_identity or link.num_inputs == 1 for link in node.links)


def pools_keep_constants(node: Node) -> bool:
    """Whether a pooling gives back a constant, borders included."""
    kind, arguments = node.operation.kind, node.operation.arguments
    if kind not in POOLS or kind.startswith("LP"):
        return False
    if not kind.startswith("Avg"):
        return True
    return not arguments["ceil_mode"] and not (_is_padded(node) and arguments["count_include_pad"])


def norms_keep_constants(node: Node) -> bool:
    """Whether a norm or PReLU gives one number a channel for one number a channel, for images of every size."""
    kind, arguments = node.operation.kind, node.operation.arguments
    if kind in {"LayerNorm", "RMSNorm"}:
        normed = arguments["normalized_shape"]
        return node.axis == len(node.shape) - 1 and normed in ((node.num_channels,), node.num_channels)
    return node.axis == 0 and (kind in NORMS or kind in _STATISTICS)


def _is_padded(node: Node) -> bool:
    padding = node.operation.arguments["padding"]
    if node.operation.arguments.get("padding_mode", "zeros") != "zeros":
        return False  # what is padded is the constant itself
    if isinstance(padding, str):
        return padding != "valid"
    return any(padding) if isinstance(padding, tuple) else bool(padding)
