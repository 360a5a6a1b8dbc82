"""The rules of what has weights or costs multiply-accumulates: readers, groups, norms and products."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.links import Indices, all_of, same, taking
from studentsearch.graph.network import Node, Operation
from studentsearch.graph.passages import Passage, Step, num_spatial_axes, whole

CONVOLUTIONS = frozenset(f"Conv{n}d" for n in (1, 2, 3))
TRANSPOSED = frozenset(f"ConvTranspose{n}d" for n in (1, 2, 3))
NORMS = frozenset(f"BatchNorm{n}d" for n in (1, 2, 3))
READERS = CONVOLUTIONS | TRANSPOSED | {"Linear"}


def is_reader(node: Node) -> bool:
    """Whether the node's weights mix its input channels, so that a gate may sit on each of them."""
    return node.operation.kind in READERS and _groups(node.operation) == 1 and not node.whole


def is_depthwise(node: Node) -> bool:
    """Whether a convolution carries each channel alone (one group an input channel)."""
    operation = node.operation
    if operation.kind not in CONVOLUTIONS | TRANSPOSED or _groups(operation) == 1:
        return False
    return _groups(operation) == operation.integer("in_channels")


def is_grouped(node: Node) -> bool:
    """Whether a convolution works in several groups."""
    return node.operation.kind in READERS and _groups(node.operation) > 1


def convolution(step: Step) -> Passage:
    """A reader, or one of several groups that each live or die whole.

    Args:
        step: The operation.

    Returns:
        The passage.
    """
    (source,) = step.sources
    operation, num_outputs = step.operation, step.shape[0]
    is_transposed = operation.kind in TRANSPOSED
    positions = math.prod(source.shape[1:]) if is_transposed else math.prod(step.shape[1:])
    work = math.prod(operation.integers("kernel_size")) * positions
    groups = _groups(operation)
    if source.axis != 0 or source.num_channels != operation.integer("in_channels"):
        return _reading_positions(step, work * operation.integer("in_channels") // groups, axis=0)
    if groups == 1:
        return Passage(axis=0, links=(same(source.num_channels),), work=work)
    inputs, outputs = source.num_channels // groups, num_outputs // groups
    group = np.arange(num_outputs) // outputs
    sources = group[:, np.newaxis] * inputs + np.arange(inputs)
    ties = None if outputs == 1 else group
    return Passage(axis=0, links=(taking(sources, source.num_channels),), ties=ties, work=work * inputs)


def linear(step: Step) -> Passage:
    """A reader of the last axis.

    Args:
        step: The operation.

    Returns:
        The passage.
    """
    (source,) = step.sources
    axis = len(step.shape) - 1
    positions = math.prod(step.shape[:-1])
    if source.axis != len(source.shape) - 1:
        return _reading_positions(step, positions * step.operation.integer("in_features"), axis=axis)
    return Passage(axis=axis, links=(same(source.num_channels),), work=positions)


def _reading_positions(step: Step, work: int, axis: int) -> Passage:
    (source,) = step.sources
    num_channels = step.shape[axis]
    return Passage(
        axis=axis,
        links=(all_of(source.num_channels, num_channels),),
        ties=np.zeros(num_channels, dtype=np.int64),
        work=work,
        whole="reads another axis than channels",
    )


def batch_norm(step: Step) -> Passage:
    """Each channel on its own.

    Args:
        step: The operation.

    Returns:
        The passage; whole where channels are not the first axis, or where the batch is taken for channels
        (`InstanceNorm1d` of `[B, features]`).
    """
    (source,) = step.sources
    is_instance = step.operation.kind.startswith("InstanceNorm")
    takes_batch = is_instance and len(source.shape) == num_spatial_axes(step.operation.kind)
    return whole(step) if source.axis != 0 or takes_batch else Passage(axis=0, links=(same(source.num_channels),))


def group_norm(step: Step) -> Passage:
    """Channels of a group live or die together, since each enters the statistics of all.

    Args:
        step: The operation.

    Returns:
        The passage.
    """
    (source,) = step.sources
    groups = step.operation.integer("num_groups")
    if source.axis != 0:
        return whole(step)
    return _in_groups(np.arange(source.num_channels) // (source.num_channels // groups), axis=0)


def _in_groups(group: Indices, *, axis: int) -> Passage:
    size = int((group == group[0]).sum())
    if size == 1:
        return Passage(axis=axis, links=(same(len(group)),))
    if size == len(group):
        return Passage(
            axis=axis, links=(all_of(size, size),), ties=np.zeros(size, dtype=np.int64), whole="norms over all"
        )
    members = group[:, np.newaxis] * size + np.arange(size)
    return Passage(axis=axis, links=(taking(members, len(group)),), ties=group)


def layer_norm(step: Step) -> Passage:
    """Norms over the last axes: whole where channels are among them.

    Args:
        step: The operation.

    Returns:
        The passage.
    """
    (source,) = step.sources
    num_axes = len(step.operation.integers("normalized_shape"))
    if source.axis >= len(source.shape) - num_axes:
        return _in_groups(np.zeros(source.num_channels, dtype=np.int64), axis=source.axis)
    return Passage(axis=source.axis, links=(same(source.num_channels),), whole="norms over positions")


def attention(step: Step) -> Passage:
    """Whole: every head reads every feature, and every position every other.

    Args:
        step: A `MultiheadAttention`.

    Returns:
        The passage.
    """
    tokens, features = step.shape
    passage = whole(step, "attends over all features", axis=1)
    return replace(passage, work=4 * tokens * features + 2 * tokens**2)


def matrix_product(step: Step) -> Passage:
    """Whole; the cost is one multiplication for every entry of the output and of the axis that is summed over.

    Args:
        step: A call of torch.matmul, torch.bmm or scaled_dot_product_attention.

    Returns:
        The passage.
    """
    passage = whole(step)
    summed = step.sources[0].shape[-1]
    if step.operation.name.endswith("attention"):
        summed = 2 * step.sources[1].shape[-2]
    work = math.prod(step.shape) // step.shape[passage.axis] * summed
    return Passage(axis=passage.axis, links=passage.links, ties=passage.ties, work=work, whole=passage.whole)


def einsum(step: Step) -> Passage:
    """Whole; a product of two tensors costs one multiplication for every entry of the output and of what is summed.

    As torch computes it: an index that one tensor alone has is summed over before, and a product in which nothing is
    summed over is one of entries, which costs nothing as everywhere.

    Args:
        step: A call of torch.einsum with an equation.

    Returns:
        The passage.

    Raises:
        UnsupportedGraphError: More than two tensors; write it as products of two tensors each.
    """
    passage = whole(step)
    equation = step.argument("equation", 0)
    assert isinstance(equation, str)
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = [_axis_names(term, source) for term, source in zip(inputs.split(","), step.sources, strict=True)]
    if len(terms) > 2:
        raise UnsupportedGraphError(
            f"torch.einsum of {len(terms)} tensors, whose order of multiplication depends on what is installed; "
            "expected one or two; write it as products of two tensors each"
        )
    if len(terms) == 1:
        return passage
    kept = set(output.replace("...", _HIDDEN)) if arrow else {name for name in inputs if inputs.count(name) == 1}
    kept |= set() if arrow else set(_HIDDEN)
    # From the end, since the batch has no size here.
    first, second = (
        dict(zip(reversed(term), reversed(source.shape), strict=False))
        for term, source in zip(terms, step.sources, strict=True)
    )
    sizes = {name: max(first.get(name, 1), second.get(name, 1)) for name in first | second}
    summed = {name for name in sizes if name not in kept and min(first.get(name, 1), second.get(name, 1)) > 1}
    total = math.prod(size for name, size in sizes.items() if name in kept | summed) if summed else 0
    return replace(passage, work=total // step.shape[passage.axis])


_HIDDEN = "01234"  # names of the axes that an ellipsis stands for, the last of them last


def _axis_names(term: str, source: Node) -> str:
    """A term of an equation with a name for each axis."""
    is_parameter = source.operation.kind == "Parameter"
    num_axes = len(source.operation.integers("shape")) if is_parameter else len(source.shape) + 1
    num_hidden = num_axes - len(term.replace("...", ""))
    return term.replace("...", _HIDDEN[len(_HIDDEN) - num_hidden :])


def _groups(operation: Operation) -> int:
    return operation.integer("groups") if "groups" in operation.arguments else 1
