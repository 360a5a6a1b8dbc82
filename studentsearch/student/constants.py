"""What becomes of a layer that lost all its inputs: its numbers are folded through what follows, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from studentsearch.graph.arguments import decode
from studentsearch.graph.constancy import KEEPING, norms_keep_constants, pools_keep_constants
from studentsearch.graph.describe import layer_class, make_layer
from studentsearch.graph.links import Indices
from studentsearch.graph.movement import MOVEMENTS, numbers, run
from studentsearch.graph.network import Argument, Network, Node
from studentsearch.graph.passages import Step, elementwise, num_spatial_axes, reduced_axes, reduction
from studentsearch.graph.permitted import function_of
from studentsearch.graph.rules import COMPARISONS, DROPOUTS, ELEMENTWISE, POOLS, rule_of
from studentsearch.graph.weighted import CONVOLUTIONS, TRANSPOSED, einsum, matrix_product
from studentsearch.student.shrink import shrunk_operation, shrunk_state

_WIDER_THAN_PICTURES = 2**20


def folded_value(
    node: Node,
    kept: Indices,
    takes: tuple[Indices, ...],
    values: tuple[Tensor | None, ...],
    state: Mapping[str, Tensor],
) -> Tensor | None:
    """The numbers of a node all of whose inputs are constants, one a channel.

    Args:
        node: Any node but an input or an output.
        kept: Its channels that are needed.
        takes: For every input the channels (of a reader: entries) that it takes.
        values: For every input the numbers of these channels, None where it takes none.
        state: Tensors of the network by name.

    Returns:
        `[len(kept)]`, or None for what must be computed: whatever treats the border of an image unlike its middle.
        Layers that cost multiply-accumulates are asked for only where the count has left them out.
    """
    name = node.operation.name
    # A whole node's channels need not be those of its input, however many both have.
    if node.whole or name in COMPARISONS:
        return None
    first = next(value for value in values if value is not None)
    if node.operation.kind in {"Concat", "Select"} or name in MOVEMENTS or node.operation.kind == "Flatten":
        return _moved(node, kept, takes, values)
    if name in KEEPING or name in DROPOUTS or pools_keep_constants(node):
        return first if len(first) == len(kept) else None
    if norms_keep_constants(node):
        return _computed(node, kept, takes, (_repeated(first, node),), state, axis=node.axis + 1)
    if node.operation.kind in CONVOLUTIONS or node.operation.kind == "Linear":
        return _read(node, kept, takes[0], first, state)
    if node.operation.kind in ELEMENTWISE or rule_of(node.operation) is elementwise:
        if any(value is None or len(value) not in {1, len(kept)} for value in values):
            return None
        given = [value for value in values if value is not None]
        return _computed(node, kept, takes, tuple(value.view(1, -1) for value in given), state)
    return None


def _read(node: Node, kept: Indices, read: Indices, value: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """What a layer without padding makes of one number an input channel."""
    own = shrunk_state(node, kept, read, state)
    weight = (
        own[f"{node.path}.weight"].double().flatten(2).sum(2)
        if node.operation.kind != "Linear"
        else (own[f"{node.path}.weight"].double())
    )
    if weight.shape[1] != len(value):  # several groups, of as many inputs each
        per_group = len(kept) * weight.shape[1] // len(value)
        inputs = value.double().view(-1, weight.shape[1]).repeat_interleave(per_group, dim=0)
        result = (weight * inputs).sum(1)
    else:
        result = weight @ value.double()
    bias = own.get(f"{node.path}.bias")
    return (result if bias is None else result + bias.double()).to(value.dtype)


def bordered_value(node: Node, kept: Indices, read: Indices, value: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """What a convolution with zero padding makes of one number an input channel, on the smallest image with a middle.

    Args:
        node: One for which `border_of` tells a border.
        kept: Output channels that are needed.
        read: Input channels that it reads.
        value: Their numbers.
        state: Tensors of the network by name.

    Returns:
        `[len(kept), 2 b + 1, ...]`, b for every spatial axis the width of the border.
    """
    operation = shrunk_operation(node, kept, read)
    layer = make_layer(operation).double().eval()
    own = shrunk_state(node, kept, read, state)
    layer.load_state_dict({name.rpartition(".")[2]: tensor for name, tensor in own.items()})
    sizes, dilations = (
        _per_axis(operation.arguments[name], len(positions(node))) for name in ("kernel_size", "dilation")
    )
    extents = [dilation * (size - 1) + 1 for size, dilation in zip(sizes, dilations, strict=True)]
    image = value.double().view(1, -1, *([1] * len(extents))).expand(1, -1, *extents)
    with torch.no_grad():
        return torch.as_tensor(layer(image))[0].to(value.dtype)


def _repeated(value: Tensor, node: Node) -> Tensor:
    """One number a channel at two positions of two images: some statistics are refused over a single number."""
    if node.axis == len(node.shape) - 1:
        return value.view(*([1] * len(node.shape)), -1).expand(2, *([2] * (len(node.shape) - 1)), -1)
    return value.view(1, -1, *([1] * (len(node.shape) - 1))).expand(2, -1, *([2] * (len(node.shape) - 1)))


def _moved(node: Node, kept: Indices, takes: tuple[Indices, ...], values: tuple[Tensor | None, ...]) -> Tensor | None:
    if any(link.sources is not None and link.sources.shape[1] > 1 for link in node.links):
        return None
    first = next(value for value in values if value is not None)
    result = torch.zeros(node.num_channels, dtype=first.dtype)
    for link, channels, value in zip(node.links, takes, values, strict=True):
        if value is None:
            continue
        given = torch.zeros(link.num_inputs, dtype=first.dtype)
        given[torch.from_numpy(channels)] = value
        sources = torch.arange(link.num_inputs) if link.sources is None else torch.from_numpy(link.sources[:, 0].copy())
        result = torch.where(sources >= 0, given[sources.clamp(min=0)], result)
    return result[torch.from_numpy(kept)]


def _computed(
    node: Node,
    kept: Indices,
    takes: tuple[Indices, ...],
    inputs: tuple[Tensor, ...],
    state: Mapping[str, Tensor],
    axis: int = 1,
) -> Tensor:
    """The operation run on a few positions that are alike, with channels on one axis, in double precision."""
    operation = shrunk_operation(node, kept, takes[0])
    dtype = inputs[0].dtype
    doubled = [item.double() for item in inputs]
    if operation.kind == "Add":
        return torch.add(*doubled).flatten().expand(len(kept)).to(dtype)
    layer = layer_class(operation.kind)
    if layer is not None:
        module = make_layer(operation).double().eval()
        own = shrunk_state(node, kept, takes[0], state)
        module.load_state_dict({name.rpartition(".")[2]: tensor for name, tensor in own.items()})
        with torch.no_grad():
            computed = torch.as_tensor(module(*doubled))
            return computed.movedim(axis, 0).flatten(1)[:, 0].to(dtype)
    arguments, options = operation.arguments["arguments"], operation.arguments["options"]
    assert isinstance(options, tuple)
    positional = decode(arguments, doubled, 1)
    assert isinstance(positional, tuple)
    named = {str(item[0]): decode(item[1], doubled, 1) for item in options if isinstance(item, tuple)}
    result = function_of(operation)(*positional, **named)
    return torch.as_tensor(result).flatten().expand(len(kept)).to(dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Where a constant has its size from.

    Attributes:
        anchor: Index of a node that the student computes.
        windows: What makes the constant's positions of the anchor's, one entry a layer passed (see `layers.Constant`).
        sizes: The positions themselves where no windows tell them; they hold for pictures of the traced size.
        made_for: The anchor's positions for which `sizes` hold.
    """

    anchor: int
    windows: tuple[Argument, ...] = ()
    sizes: tuple[int, ...] = ()
    made_for: tuple[int, ...] = ()


def constant_size(network: Network, node: Node, computed: frozenset[int]) -> Size:
    """The nearest tensor before a node that is computed, and how the node's size follows from its size.

    Args:
        network: The network of `node`.
        node: A node that is a constant.
        computed: Indices of the nodes that the student computes.

    Returns:
        That tensor and the way from its size; a fixed size and the image where a layer on the way tells none.
    """
    windows: list[Argument] = []
    source = node
    while source.index not in computed:
        passed = _windows(network, source) if len(node.shape) > 1 else []
        if passed is None or not source.inputs:
            ends = [place for place, window in enumerate(windows) if _is_same_for_all(window)]
            if ends and len(network.nodes[0].shape) >= len(node.shape):
                return Size(anchor=0, windows=tuple(windows[ends[-1] :]))
            return Size(anchor=0, sizes=positions(node), made_for=positions(network.nodes[0]))
        windows[:0] = passed
        source = _of_the_size(network, source, computed)
    return Size(anchor=source.index, windows=tuple(windows))


def positions(node: Node) -> tuple[int, ...]:
    """The sizes of a node's axes but that of channels."""
    return (*node.shape[: node.axis], *node.shape[node.axis + 1 :])


def _of_the_size(network: Network, node: Node, computed: frozenset[int]) -> Node:
    """The input that a node has its size from: of several one that is not repeated, best one that is computed."""
    inputs = [network.nodes[index] for index in node.inputs]
    same_size = [item for item in inputs if _has_positions(node, item) and item.operation.kind != "Parameter"]
    choices = same_size or inputs
    return next((item for item in choices if item.index in computed), choices[0])


def _windows(network: Network, node: Node) -> list[Argument] | None:
    """The windows of one node, None where its positions do not follow from those of an input by windows."""
    arguments, kind, name = node.operation.arguments, node.operation.kind, node.operation.name
    if kind == "Constant":
        given = arguments["windows"]
        return list(given) if isinstance(given, tuple) and not arguments["sizes"] else None
    inputs = [network.nodes[index] for index in node.inputs]
    if kind in CONVOLUTIONS | TRANSPOSED | POOLS and arguments.get("padding") != "same":
        has_channels_first = node.axis == inputs[0].axis == 0 and len(node.shape) == (num_spatial_axes(kind) or 0) + 1
        return [_window(node)] if has_channels_first else None
    if name in MOVEMENTS:
        return [] if positions(inputs[0]) == positions(node) and _keeps_order(node, inputs[0]) else None
    # An axis of size 1 that is summed over stays one only here: in images of other sizes it may be longer before.
    may_change = rule_of(node.operation) in {matrix_product, einsum, reduction}
    if not may_change and any(_has_positions(node, item) for item in inputs):
        return []
    before, after = positions(inputs[0]), positions(node)
    if inputs[0].axis != node.axis or len(before) != len(after):
        return None
    if rule_of(node.operation) is reduction:
        reduced = reduced_axes(Step(operation=node.operation, sources=(inputs[0],), shape=node.shape))
        kept = [axis for axis in range(len(node.shape)) if axis != node.axis]
        return [_window_to(tuple(1 if axis in reduced else None for axis in kept))]
    if "Pad" in kind or name.endswith(".pad"):
        cut_off = [old - new for old, new in zip(before, after, strict=True)]
        ones = (1,) * len(cut_off)
        return [(*ones, *ones, *cut_off, *ones, 2)]
    return None


def _has_positions(node: Node, source: Node) -> bool:
    """Whether a node has the positions of one of its inputs: the sizes of other axes may be the same by chance."""
    return source.axis == node.axis and positions(source) == positions(node)


def _window(node: Node) -> Argument:
    arguments, axes = node.operation.arguments, len(positions(node))
    if node.operation.kind.startswith("Adaptive"):
        given = arguments["output_size"]
        asked = given if isinstance(given, tuple) else (given,) * axes
        return _window_to(tuple(size if isinstance(size, int) else None for size in asked))
    padding = arguments.get("padding", 0)
    kernels, strides, paddings, dilations = (
        _per_axis(value, axes)
        for value in (
            arguments["kernel_size"],
            arguments["stride"],
            0 if padding == "valid" else padding,
            arguments.get("dilation", 1),
        )
    )
    rounding = int(arguments.get("ceil_mode") is True)
    if node.operation.kind in TRANSPOSED:
        added = node.operation.integers("output_padding")
        rounding, paddings = 2, tuple(2 * one - more for one, more in zip(paddings, added, strict=True))
    return (*kernels, *strides, *paddings, *dilations, rounding)


def _keeps_order(node: Node, source: Node) -> bool:
    """Whether a movement leaves all positions where they are; the shape tells nothing of an exchange of equal sizes."""
    after = run(node.operation, numbers(source.shape))[0].movedim(node.axis, 0)[0].flatten()
    before = numbers(source.shape)[0].movedim(source.axis, 0)[0].flatten()
    return torch.equal(after - after[0], before)


def _per_axis(value: Argument, axes: int) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else (value,) * axes
    return tuple(item for item in values if isinstance(item, int))


def _window_to(sizes: tuple[int | None, ...]) -> Argument:
    """A window that makes `sizes` of a picture of any size; None leaves an axis as it is."""
    # kernel 1, a stride wider than pictures, padding to match
    ones = (1,) * len(sizes)
    strides = tuple(1 if size is None else _WIDER_THAN_PICTURES for size in sizes)
    paddings = tuple(0 if size is None else (size - 1) * _WIDER_THAN_PICTURES // 2 for size in sizes)
    return (*ones, *strides, *paddings, *ones, 0)


def _is_same_for_all(window: Argument) -> bool:
    """Whether a window makes the same of pictures of every size."""
    assert isinstance(window, tuple)
    axes = len(window) // 4
    return all(stride == _WIDER_THAN_PICTURES for stride in window[axes : 2 * axes])
