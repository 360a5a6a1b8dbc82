"""What operations make of constants: inputs that are one number a channel at every position, whatever the image.

A layer that lost all its inputs is such a constant. Its numbers are folded through what follows, so that neither is
computed; in float64, since a fold replaces sums that the network would take in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.arguments import decode, resolve
from studentsearch.graph.dependencies import Indices
from studentsearch.graph.layer_classes import layer_class, make_layer
from studentsearch.graph.network import Node, Operation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConstantInputs:
    """A node all of whose inputs are constants.

    Attributes:
        node: The node in the whole network.
        operation: Its operation for the channels that are left.
        tensors: Its own tensors for the channels that are left, by role.
        kept: Its channels that are needed.
        takes: For every input the channels (of a reader: entries) that it takes.
        values: For every input the numbers of these channels, None where it takes none.
    """

    node: Node
    operation: Operation
    tensors: Mapping[str, Tensor]
    kept: Indices
    takes: tuple[Indices, ...]
    values: tuple[Tensor | None, ...]

    @property
    def first(self) -> Tensor:
        """The numbers of the first input that gives any."""
        return next(value for value in self.values if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnConstants:
    """What an operation makes of constants.

    Attributes:
        keeps: Whether a node gives one number a channel for inputs of one number a channel, for images of every size;
            False also where that is not known.
        value: These numbers, `[len(kept)]`; None for what must be computed, as whatever treats the border of an image
            unlike its middle. Of what costs multiply-accumulates only asked where the count has left it out.
        border: For every spatial axis how many positions at either end have numbers of their own; empty where that is
            not the same for images of every size, or where it is none.
    """

    keeps: Callable[[Node], bool]
    value: Callable[[ConstantInputs], Tensor | None]
    border: Callable[[Node], tuple[int, ...]] = lambda _: ()


def has_one_source(node: Node) -> bool:
    """Whether every channel takes one channel of each input at most."""
    return all(dependency.takes_one for dependency in node.dependencies)


def takes_same(node: Node) -> bool:
    """Whether channel i takes channel i of every input."""
    return all(dependency.is_identity for dependency in node.dependencies)


def given_back(inputs: ConstantInputs) -> Tensor | None:
    """The input's numbers as they are."""
    return inputs.first if len(inputs.first) == len(inputs.kept) else None


def _moved(inputs: ConstantInputs) -> Tensor | None:
    """The numbers of the channels that each channel takes."""
    if not has_one_source(inputs.node):
        return None
    first, node = inputs.first, inputs.node
    result = torch.zeros(node.num_channels, dtype=first.dtype)
    for dependency, channels, value in zip(node.dependencies, inputs.takes, inputs.values, strict=True):
        if value is None:
            continue
        given = torch.zeros(dependency.num_inputs, dtype=first.dtype)
        given[torch.from_numpy(channels)] = value
        sources = torch.from_numpy(dependency.labels(np.arange(dependency.num_inputs)))
        result = torch.where(sources >= 0, given[sources.clamp(min=0)], result)
    return result[torch.from_numpy(inputs.kept)]


def computed(inputs: ConstantInputs, given: tuple[Tensor, ...], axis: int = 1) -> Tensor:
    """The operation run on a few positions that are alike, in double precision.

    Args:
        inputs: The node.
        given: Its inputs, with channels on one axis.
        axis: That axis of a layer's output.

    Returns:
        `[len(kept)]`.
    """
    operation, dtype = inputs.operation, given[0].dtype
    doubled = [item.double() for item in given]
    if operation.kind == "Add":
        return torch.add(*doubled).flatten().expand(len(inputs.kept)).to(dtype)
    if layer_class(operation.kind) is not None:
        module = make_layer(operation).double().eval()
        module.load_state_dict(inputs.tensors)
        with torch.no_grad():
            return torch.as_tensor(module(*doubled)).movedim(axis, 0).flatten(1)[:, 0].to(dtype)
    positional = decode(operation.arguments["arguments"], doubled, 1)
    options = operation.arguments["options"]
    assert isinstance(positional, tuple)
    assert isinstance(options, tuple)
    named = {str(item[0]): decode(item[1], doubled, 1) for item in options if isinstance(item, tuple)}
    result = resolve(operation.name)(*positional, **named)
    return torch.as_tensor(result).flatten().expand(len(inputs.kept)).to(dtype)


def _entry_by_entry(inputs: ConstantInputs) -> Tensor | None:
    if any(value is None or len(value) not in {1, len(inputs.kept)} for value in inputs.values):
        return None
    return computed(inputs, tuple(value.view(1, -1) for value in inputs.values if value is not None))


def _is_entry_by_entry(node: Node) -> bool:
    return has_one_source(node) and all(one.is_identity or one.num_inputs == 1 for one in node.dependencies)


def _is_given_back(node: Node) -> bool:
    return has_one_source(node) and takes_same(node)


NOT_FOLDED = OnConstants(keeps=lambda _: False, value=lambda _: None)
"""Is computed, whatever it reads."""
GIVEN_BACK = OnConstants(keeps=_is_given_back, value=given_back)
"""Gives its input back, whatever the size."""
MOVED = OnConstants(keeps=has_one_source, value=_moved)
"""Moves the numbers."""
ENTRY_BY_ENTRY = OnConstants(keeps=_is_entry_by_entry, value=_entry_by_entry)
"""The operation itself, on the numbers."""
