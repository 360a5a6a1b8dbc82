"""The total table from operation to rule: how channels pass through it, what falls together, what it costs.

A rule looks at an operation and the nodes it reads and answers with a `Passage`. A *reader* (convolution, linear layer)
mixes its input channels, so that a gate may sit on each of them; everything else carries channels. What moves data
without computing (reshape, chunk, shuffle, ...) is followed entry by entry in `movement.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from studentsearch.graph.arguments import Argument
from studentsearch.graph.links import Indices, Link, Mask, all_of, same, taking
from studentsearch.graph.network import Node, Operation

__all__ = ["Indices", "Mask", "Passage", "Step", "is_depthwise", "is_reader", "rule_of", "use_rule"]

CONVOLUTIONS = frozenset(f"Conv{n}d" for n in (1, 2, 3))
TRANSPOSED = frozenset(f"ConvTranspose{n}d" for n in (1, 2, 3))
NORMS = frozenset(f"BatchNorm{n}d" for n in (1, 2, 3))
READERS = CONVOLUTIONS | TRANSPOSED | {"Linear"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An operation about to become a node.

    Attributes:
        operation: What is computed.
        sources: The nodes it reads.
        shape: Its output without the batch.
    """

    operation: Operation
    sources: tuple[Node, ...]
    shape: tuple[int, ...]

    def argument(self, name: str, position: int, default: Argument = None) -> Argument:
        """An argument of a call by position (the first tensor is 0) or name."""
        positional, options = self.operation.arguments["arguments"], self.operation.arguments["options"]
        assert isinstance(positional, tuple)
        assert isinstance(options, tuple)
        if position < len(positional):
            return positional[position]
        return next((item[1] for item in options if isinstance(item, tuple) and item[0] == name), default)

    def axes(self, name: str, position: int, default: Argument = None) -> tuple[int, ...]:
        """An argument that names axes, as axes of the first source without the batch; the batch itself is -1."""
        value = self.argument(name, position, default)
        rank = len(self.sources[0].shape) + 1
        if value is None:
            return tuple(range(-1, rank - 1))
        given = value if isinstance(value, tuple) else (value,)
        return tuple(int(axis) % rank - 1 for axis in given if isinstance(axis, int))


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """How channels pass through an operation; the fields are those of `Node`."""

    axis: int
    links: tuple[Link, ...]
    ties: Indices | None = None
    work: int = 0
    whole: str = ""


Rule = Callable[[Step], Passage]


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


def whole(step: Step, reason: str = "mixes its channels") -> Passage:
    """Everything is needed as soon as anything is.

    Args:
        step: The operation.
        reason: Why, in words that follow the layer's name.

    Returns:
        The passage.
    """
    axis = len(step.shape) - 1 if step.sources and step.sources[0].axis == len(step.sources[0].shape) - 1 else 0
    num_channels = step.shape[axis] if step.shape else 1
    return Passage(
        axis=axis,
        links=tuple(all_of(source.num_channels, num_channels) for source in step.sources),
        ties=np.zeros(num_channels, dtype=np.int64),
        whole=reason,
    )


def elementwise(step: Step) -> Passage:
    """Output i takes entry i of every input, inputs of size 1 along an axis are repeated.

    Args:
        step: The operation.

    Returns:
        The passage; whole where the inputs' channels lie along different axes.
    """
    axes = {
        source.axis + len(step.shape) - len(source.shape)
        for source in step.sources
        if source.operation.kind != "Parameter" and source.num_channels > 1
    }
    if len(axes) > 1:
        return whole(step, "joins channels of different axes")
    axis = axes.pop() if axes else min(step.sources[0].axis, len(step.shape) - 1)
    num_channels = step.shape[axis]
    links: list[Link] = []
    for source in step.sources:
        if source.num_channels == num_channels:
            links.append(same(num_channels))
        elif source.num_channels == 1:
            links.append(taking(np.zeros(num_channels, dtype=np.int64), 1))
        else:
            return whole(step, "joins channels of different axes")
    return Passage(axis=axis, links=tuple(links))


def positional(step: Step) -> Passage:
    """Each channel on its own, positions mixed: pooling, interpolation, padding.

    Args:
        step: The operation.

    Returns:
        The passage; whole where channels are not the first axis.
    """
    (source, *_) = step.sources
    if source.axis != 0 or len(source.shape) != len(step.shape) or source.num_channels != step.shape[0]:
        return whole(step)
    return Passage(axis=0, links=(same(source.num_channels),) * len(step.sources))


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
        The passage; whole where channels are not the first axis.
    """
    (source,) = step.sources
    return Passage(axis=0, links=(same(source.num_channels),)) if source.axis == 0 else whole(step)


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


def mixing_along(name: str, position: int, default: Argument = -1) -> Rule:
    """The rule of operations that mix entries along one axis and keep the shape: softmax, normalize.

    Args:
        name: The argument that names the axis.
        position: Its position in a call.
        default: Its value where none is given.

    Returns:
        A rule.
    """

    def rule(step: Step) -> Passage:
        source = step.sources[0]
        if source.axis in step.axes(name, position, default):
            return whole(step)
        return Passage(axis=source.axis, links=(same(source.num_channels),) * len(step.sources))

    return rule


def reduction(step: Step) -> Passage:
    """A sum, mean or largest value over axes: each channel on its own, unless channels are summed over.

    Args:
        step: The operation.

    Returns:
        The passage.
    """
    (source,) = step.sources
    axes = step.axes("dim", 1)
    if source.axis in axes or -1 in axes:
        return whole(step, "sums over channels")
    is_kept = len(step.shape) == len(source.shape)
    axis = source.axis if is_kept else source.axis - sum(axis < source.axis for axis in axes)
    return Passage(axis=axis, links=(same(source.num_channels),))


def concatenation(step: Step) -> Passage:
    """Each input gets its own stretch of the output's channels; along another axis channels stay what they are.

    Args:
        step: The operation, a `Concat`, or a call of torch.cat.

    Returns:
        The passage.
    """
    axes = {source.axis for source in step.sources}
    axis = step.operation.integer("axis") - 1
    if len(axes) > 1:
        return whole(step, "joins channels of different axes")
    num_channels = step.shape[next(iter(axes))]
    if axis not in axes:
        return Passage(axis=axes.pop(), links=(same(num_channels),) * len(step.sources))
    links: list[Link] = []
    start = 0
    for source in step.sources:
        sources = np.full(num_channels, -1)
        sources[start : start + source.num_channels] = np.arange(source.num_channels)
        links.append(taking(sources, source.num_channels))
        start += source.num_channels
    return Passage(axis=axis, links=tuple(links))


def stacking(step: Step) -> Passage:
    """Inputs beside one another on a new axis.

    Args:
        step: A call of torch.stack.

    Returns:
        The passage.
    """
    dim = step.argument("dim", 1, 0)
    assert isinstance(dim, int)
    new = dim % (len(step.shape) + 1) - 1
    axes = {source.axis + (new <= source.axis) for source in step.sources}
    if len(axes) > 1 or new < 0:
        return whole(step, "joins channels of different axes")
    axis = axes.pop()
    return Passage(axis=axis, links=(same(step.shape[axis]),) * len(step.sources))


def gated_linear_unit(step: Step) -> Passage:
    """Output i takes channel i of the first half and of the second.

    Args:
        step: A `GLU`, or a call of F.glu.

    Returns:
        The passage.
    """
    (source,) = step.sources
    if source.num_channels == step.shape[source.axis]:
        return Passage(axis=source.axis, links=(same(source.num_channels),))
    first = np.arange(source.num_channels // 2)
    halves = np.stack([first, first + len(first)], axis=1)
    return Passage(axis=source.axis, links=(taking(halves, source.num_channels),))


def selection(step: Step) -> Passage:
    """Channel i takes the channel that was picked to place i.

    Args:
        step: A `Select`.

    Returns:
        The passage.
    """
    (source,) = step.sources
    axis = step.operation.integer("axis") - 1
    if source.axis != axis:
        return whole(step)
    channels = np.array(step.operation.integers("channels"), dtype=np.int64)
    return Passage(axis=axis, links=(taking(channels, source.num_channels),))


def constant(step: Step) -> Passage:
    """Takes no channel of the tensor that gives its size.

    Args:
        step: A `Constant`.

    Returns:
        The passage.
    """
    axis = step.operation.integer("axis") - 1
    nothing = np.full((step.shape[axis], 1), -1, dtype=np.int64)
    return Passage(axis=axis, links=tuple(Link(sources=nothing, num_inputs=s.num_channels) for s in step.sources))


def attention(step: Step) -> Passage:
    """Whole: every head reads every feature, and every position every other.

    Args:
        step: A `MultiheadAttention`.

    Returns:
        The passage.
    """
    tokens, features = step.shape
    passage = whole(step, "attends over all features")
    return Passage(
        axis=1, links=passage.links, ties=passage.ties, whole=passage.whole, work=4 * tokens * features + 2 * tokens**2
    )


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
    """Whole; the cost of a product of two tensors is one multiplication for every combination of indices.

    Args:
        step: A call of torch.einsum with an equation.

    Returns:
        The passage.
    """
    passage = whole(step)
    equation = step.argument("equation", 0)
    assert isinstance(equation, str)
    terms = equation.replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, source in zip(terms, step.sources, strict=True):
        sizes |= dict(zip(term[-len(source.shape) :], source.shape, strict=True))
    total = math.prod(sizes.values()) if len(terms) == 2 and "..." not in equation else 0
    work = total // step.shape[passage.axis]
    return Passage(axis=passage.axis, links=passage.links, ties=passage.ties, work=work, whole=passage.whole)


def _groups(operation: Operation) -> int:
    return operation.integer("groups") if "groups" in operation.arguments else 1


_F = "torch.nn.functional."
_ACTIVATIONS = (
    *(
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "ELU",
        "CELU",
        "SELU",
        "GELU",
        "SiLU",
        "Mish",
        "Hardswish",
        "Hardsigmoid",
        "Hardtanh",
    ),
    *("Hardshrink", "Softshrink", "Tanhshrink", "Softplus", "Softsign", "Sigmoid", "LogSigmoid", "Tanh", "Threshold"),
)
DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "StochasticDepth")
_ELEMENTWISE_CALLS = (
    *(
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "hardsigmoid",
        "hardtanh",
    ),
    *("hardshrink", "softshrink", "tanhshrink", "softplus", "softsign", "sigmoid", "logsigmoid", "tanh", "threshold"),
)
_POINTWISE = (
    *(
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "neg",
        "abs",
        "exp",
        "expm1",
        "log",
        "log1p",
        "sqrt",
        "rsqrt",
        "square",
        "sin",
        "cos",
    ),
    *(
        "erf",
        "clamp",
        "clip",
        "clamp_min",
        "clamp_max",
        "maximum",
        "minimum",
        "where",
        "masked_fill",
        "sign",
        "round",
        "floor",
        "relu",
    ),
    *("sigmoid", "tanh", "reciprocal", "lerp", "addcmul", "true_divide", "multiply", "subtract", "divide", "rsub"),
)
COMPARISONS = frozenset(
    f"torch.{name}"
    for name in ("gt", "lt", "ge", "le", "eq", "ne", "logical_and", "logical_or", "logical_not", "isnan", "isinf")
)
_POOLS = tuple(
    f"{kind}Pool{n}d"
    for kind in ("Max", "Avg", "LP", "AdaptiveAvg", "AdaptiveMax")
    for n in (1, 2, 3)
    if (kind, n) != ("LP", 3)
)
_PADS = tuple(
    f"{kind}Pad{n}d" for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular") for n in (1, 2, 3)
)
POOLS = frozenset(_POOLS)
ELEMENTWISE = frozenset(("Identity", *_ACTIVATIONS, *DROPOUTS, "Add", "Output"))
_MEANS = frozenset({"torch.mean", "torch.sum", "torch.amax", "torch.amin", "torch.var", "torch.std"})
HOMOGENEOUS = POOLS | frozenset({
    *(
        "Identity",
        "ReLU",
        "LeakyReLU",
        "PReLU",
        "Concat",
        "Select",
        "Upsample",
        "torch.mean",
        "torch.sum",
        "torch.relu",
    ),
    *(f"{_F}relu", f"{_F}leaky_relu", f"{_F}interpolate", "torch.flatten", "torch.permute", "torch.transpose"),
    *("Flatten", "torch.unflatten", "torch.squeeze", "torch.unsqueeze", *DROPOUTS),
    *(f"{kind}Pad{n}d" for kind in ("Zero", "Reflection", "Replication", "Circular") for n in (1, 2, 3)),
})
"""Operations with f(c x) = c f(x) for c > 0: a scale of their input passes to their output."""

_RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys((f"{_F}{name}" for name in _ELEMENTWISE_CALLS), elementwise),
    **dict.fromkeys((f"torch.{name}" for name in _POINTWISE), elementwise),
    **dict.fromkeys(COMPARISONS, elementwise),
    **dict.fromkeys(POOLS, positional),
    **dict.fromkeys((*_PADS, "Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"), positional),
    **dict.fromkeys((f"{_F}interpolate", f"{_F}pad", f"{_F}upsample"), positional),
    **dict.fromkeys(CONVOLUTIONS | TRANSPOSED, convolution),
    **dict.fromkeys(NORMS | {"InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "PReLU"}, batch_norm),
    **dict.fromkeys(_MEANS, reduction),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Softmin"), whole),
    **dict.fromkeys((f"{_F}softmax", f"{_F}log_softmax", "torch.softmax", "torch.log_softmax"), mixing_along("dim", 1)),
    f"{_F}normalize": mixing_along("dim", 2, 1),
    "Linear": linear,
    "GroupNorm": group_norm,
    "LayerNorm": layer_norm,
    "RMSNorm": layer_norm,
    "LocalResponseNorm": whole,
    f"{_F}local_response_norm": whole,
    **dict.fromkeys(("GLU", f"{_F}glu"), gated_linear_unit),
    "Concat": concatenation,
    "torch.stack": stacking,
    "Select": selection,
    "Constant": constant,
    "MultiheadAttention": attention,
    **dict.fromkeys(("torch.matmul", "torch.bmm", f"{_F}scaled_dot_product_attention"), matrix_product),
    "torch.einsum": einsum,
}


RULES: Mapping[str, Rule] = MappingProxyType(_RULES)
"""The table, as it is at the moment: rules by the name of a class of torch.nn, of a function of torch, or a kind of ours."""


def rule_of(operation: Operation) -> Rule | None:
    """The rule of an operation, None where no rule knows it."""
    return RULES.get(operation.name)


def use_rule(name: str, rule: Rule) -> None:
    """Teach the table an operation.

    Args:
        name: A class of torch.nn (`Bilinear`) or the public name of a function of torch (`torch.special.erf`).
        rule: How channels pass through it: `elementwise`, `positional`, `whole`, or a function of your own.
    """
    _RULES[name] = rule
