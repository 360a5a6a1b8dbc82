"""The total table from operation to rule: how channels pass through it, what falls together, what it costs.

A *reader* (convolution, linear layer) mixes its input channels, so that a gate may sit on each of them; everything else
carries channels. What moves data without computing (reshape, chunk, shuffle, ...) is followed entry by entry in
`movement.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from studentsearch.graph.network import Operation
from studentsearch.graph.passages import (
    NORMS_OVER_AXES,
    Rule,
    concatenation,
    constant,
    elementwise,
    gated_linear_unit,
    mixing_along,
    positional,
    reduction,
    selection,
    stacking,
    typed,
    whole,
)
from studentsearch.graph.weighted import (
    CONVOLUTIONS,
    NORMS,
    TRANSPOSED,
    attention,
    batch_norm,
    convolution,
    einsum,
    group_norm,
    layer_norm,
    linear,
    matrix_product,
)

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
        "RReLU",
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
        "rrelu",
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
        "zeros_like",
        "ones_like",
        "full_like",
        *("selu", "celu", "rrelu", "threshold", "hardshrink", "nan_to_num", "logit", "sinc", "atan2", "hypot"),
        *("exp2", "log2", "log10", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
        *("ceil", "trunc", "frac", "remainder", "fmod"),
        "sign",
        "round",
        "floor",
        "relu",
    ),
    *("sigmoid", "tanh", "reciprocal", "lerp", "addcmul", "true_divide", "multiply", "subtract", "divide", "rsub"),
)
COMPARISONS = frozenset({
    *("torch.gt", "torch.lt", "torch.ge", "torch.le", "torch.eq", "torch.ne", "torch.isnan", "torch.isinf"),
    *("torch.logical_and", "torch.logical_or", "torch.logical_not"),
    *("torch.bitwise_and", "torch.bitwise_or", "torch.bitwise_not", "Tensor.to"),  # to masks and integers
})
"""Operations that give no floating-point numbers."""
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
_MEANS = NORMS_OVER_AXES | frozenset({
    *("torch.mean", "torch.sum", "torch.amax", "torch.amin", "torch.var", "torch.std", "torch.prod", "torch.logsumexp")
})
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
    **dict.fromkeys(("Softmax", "Softmax2d", "LogSoftmax", "Softmin"), whole),
    **dict.fromkeys((f"{_F}softmax", f"{_F}log_softmax", "torch.softmax", "torch.log_softmax"), mixing_along("dim", 1)),
    f"{_F}softmin": mixing_along("dim", 1),
    "Tensor.type_as": typed,
    "Tensor.expand_as": elementwise,  # of the second tensor it takes the size alone, which has these channels as well
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
"""The table as it is at the moment, by the name of a class of torch.nn, a function of torch, or a kind of ours."""


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
