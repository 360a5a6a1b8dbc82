"""What becomes of a layer that lost all its inputs: its numbers are folded through what follows, exactly."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from studentsearch.graph.arguments import decode
from studentsearch.graph.constancy import KEEPING, norms_keep_constants, pools_keep_constants
from studentsearch.graph.links import Indices
from studentsearch.graph.network import Node
from studentsearch.graph.passages import elementwise
from studentsearch.graph.permitted import function_of
from studentsearch.graph.recording.describe import layer_class, make_layer
from studentsearch.graph.recording.movement import MOVEMENTS
from studentsearch.graph.rules import COMPARISONS, DROPOUTS, ELEMENTWISE, rule_of
from studentsearch.graph.weighted import CONVOLUTIONS
from studentsearch.student.shrink import shrunk_operation, shrunk_state
from studentsearch.student.sizes import per_axis, positions


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
        per_axis(operation.arguments[name], len(positions(node))) for name in ("kernel_size", "dilation")
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
