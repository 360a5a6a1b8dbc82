"""The total table from operation to rule: how channels pass, what is read, what it costs.

Masks are boolean arrays whose last axis runs over channels; any leading axes are independent questions ("what if these
gates were closed"). A rule is either a *reader* (its weights mix the input channels: convolution, linear) or a
*carrier* (each output channel comes from known input channels).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.describe import ELEMENTWISE
from studentsearch.graph.network import Network, Node

Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]

POOLS = frozenset({"MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d"})
NORMS = frozenset({"BatchNorm1d", "BatchNorm2d"})
_UNTOUCHED = frozenset(kind.__name__ for kind in ELEMENTWISE)
HOMOGENEOUS = POOLS | frozenset({
    "Identity",
    "ReLU",
    "LeakyReLU",
    "Dropout",
    "Dropout2d",
    "Concat",
    "Flatten",
    "Select",
})
"""Operations with f(c x) = c f(x) for c > 0: a scale of their input passes to their output."""


def is_depthwise(node: Node) -> bool:
    """Whether a convolution carries each channel alone (one group a channel, as many out as in)."""
    operation = node.operation
    if operation.kind != "Conv2d" or operation.integer("groups") == 1:
        return False
    return operation.integer("groups") == operation.integer("in_channels") == operation.integer("out_channels")


def is_reader(node: Node) -> bool:
    """Whether the node's weights mix its input channels, so that a gate may sit on each of them."""
    return node.operation.kind in {"Conv2d", "Linear"} and not is_depthwise(node)


def is_whole(node: Node) -> bool:
    """Whether a reader is left whole: grouped convolutions have no gates of their own."""
    return node.operation.kind == "Conv2d" and node.operation.integer("groups") > 1


Carry = Callable[[Network, Node, Mask], tuple[Mask, ...]]


def _same(network: Network, node: Node, needed: Mask) -> tuple[Mask, ...]:
    """Channel i of every input is needed where channel i of the output is."""
    return tuple(needed for _ in network.sources_of(node))


def _split(network: Network, node: Node, needed: Mask) -> tuple[Mask, ...]:
    """Concatenation: each input gets its own stretch of the output's channels."""
    ends = np.cumsum([source.num_channels for source in network.sources_of(node)])
    parts: list[Mask] = np.split(needed, ends[:-1], axis=-1)
    return tuple(parts)


def _any_position(network: Network, node: Node, needed: Mask) -> tuple[Mask, ...]:
    """Flatten: a channel is needed when any of its positions is."""
    (source,) = network.sources_of(node)
    if node.num_channels != math.prod(source.shape):
        raise UnsupportedGraphError(f"{node.name}: only flattening all of an image's axes is followed")
    positions = needed.reshape(*needed.shape[:-1], source.num_channels, source.num_positions)
    return (np.asarray(positions.any(axis=-1)),)


def _scattered(network: Network, node: Node, needed: Mask) -> tuple[Mask, ...]:
    """Selection: a channel is needed where the place that it was picked to is."""
    (source,) = network.sources_of(node)
    mask = np.zeros((*needed.shape[:-1], source.num_channels), dtype=np.bool_)
    mask[..., node.operation.integers("channels")] = needed
    return (mask,)


def _nothing(network: Network, node: Node, needed: Mask) -> tuple[Mask, ...]:
    """A constant needs no channel of the tensor that gives its size."""
    shapes = [(*needed.shape[:-1], source.num_channels) for source in network.sources_of(node)]
    return tuple(np.zeros(shape, dtype=np.bool_) for shape in shapes)


CARRIERS: dict[str, Carry] = {
    **dict.fromkeys(_UNTOUCHED | POOLS | NORMS | {"Conv2d", "Add", "Output"}, _same),
    "Concat": _split,
    "Flatten": _any_position,
    "Select": _scattered,
    "Constant": _nothing,
}


def needed_inputs(network: Network, node: Node, needed: Mask) -> tuple[Mask, ...]:
    """What a carrier needs of each input when `needed` of its outputs are needed.

    Args:
        network: The network of `node`.
        node: Any node that is not a reader.
        needed: `[..., C]` over the node's output channels.

    Returns:
        One mask `[..., C_input]` an input.
    """
    if node.operation.kind == "Input":
        return ()
    return CARRIERS[node.operation.kind](network, node, needed)


def carried_channels(network: Network, node: Node, inputs: tuple[Indices, ...]) -> Indices:
    """A label for every output channel of a carrier, taken from the labels of its input channels.

    Args:
        network: The network of `node`.
        node: Any node that is neither a reader nor an `Input`.
        inputs: One `[C_input]` array of labels an input.

    Returns:
        `[C]` labels; an `Add` passes on its first input's.
    """
    match node.operation.kind:
        case "Concat":
            return np.concatenate(inputs)
        case "Flatten":
            return np.repeat(inputs[0], network.nodes[node.inputs[0]].num_positions)
        case "Select":
            return inputs[0][list(node.operation.integers("channels"))]
        case _:
            return inputs[0]


def kernel_size(node: Node) -> int:
    """Multiplications of one weight slice at one position: a convolution's kernel sizes multiplied, 1 for linear."""
    return math.prod(node.operation.integers("kernel_size")) if node.operation.kind == "Conv2d" else 1
