"""Operations that take entry i of every input, as modules, functions, methods and operators."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .draft import Draft, MisfitError, Value

Maker = Callable[[Draft, Value], None]
_F = "torch.nn.functional."

_LAYERS = {
    name: f"nn.{name}()"
    for name in (
        *("ReLU", "ReLU6", "LeakyReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid"),
        *("Hardtanh", "RReLU", "Hardshrink", "Softshrink", "Tanhshrink", "Softplus", "Softsign", "Sigmoid"),
        *("LogSigmoid", "Tanh", "Identity", "Dropout", "AlphaDropout", "FeatureAlphaDropout"),
        *("Dropout1d", "Dropout2d", "Dropout3d"),
    )
} | {"Threshold": "nn.Threshold(0.1, 0.3)", "StochasticDepth": 'StochasticDepth(0.3, "row")'}
_RANK_OF_DROPOUT = {"Dropout1d": 2, "Dropout2d": 3, "Dropout3d": 4}
_CALLS = {
    name: f"F.{name}({{x}})"
    for name in (
        *("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish", "hardsigmoid"),
        *("hardtanh", "rrelu", "hardshrink", "softshrink", "tanhshrink", "softplus", "softsign", "sigmoid"),
        *("logsigmoid", "tanh"),
    )
} | {"threshold": "F.threshold({x}, 0.1, 0.3)"}
_IN_PLACE = (
    *("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "silu", "mish", "hardswish", "hardsigmoid", "hardtanh"),
    *("rrelu", "threshold"),
)
_DROPOUT_CALLS = ("F.dropout", "torch.dropout", "F.alpha_dropout", "F.feature_alpha_dropout", "stochastic_depth")
# An argument in braces twice is written inside the call: `torch.log(x.abs() + 1)`.
_ALONE = {
    **dict.fromkeys(("neg", "abs", "square", "sin", "cos", "erf", "atan", "asinh", "sinc", "relu", "sigmoid"), "{x}"),
    **dict.fromkeys(("tanh", "ceil", "trunc", "frac", "sign", "round", "floor", "selu", "celu", "hardshrink"), "{x}"),
    **dict.fromkeys(("rrelu", "nan_to_num"), "{x}"),
    **dict.fromkeys(("exp", "expm1", "exp2", "sinh", "cosh"), "{x}.clamp(max=3)"),
    **dict.fromkeys(("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal", "acosh"), "{x}.abs() + 1"),
    **dict.fromkeys(("asin", "acos", "atanh", "tan", "logit"), "torch.sigmoid({x}) / 2 + 0.1"),
}
_WITH_NUMBERS = {
    "clamp": "{x}, -0.5, 0.7",
    "clip": "{x}, -0.5, 0.7",
    "clamp_min": "{x}, -0.3",
    "clamp_max": "{x}, 0.3",
    "threshold": "{x}, 0.1, 0.3",
    "masked_fill": "{x}, {x} > 0.2, 0.4",
    "pow": "{x}, 2",
}
_WITH_ANOTHER = {
    **dict.fromkeys(("sub", "mul", "subtract", "multiply", "maximum", "minimum", "atan2"), "{x}, {y}"),
    **dict.fromkeys(("div", "divide", "true_divide", "fmod", "remainder"), "{x}, {y}.abs() + 1"),
    "rsub": "{x}, {y}",
    "hypot": "{x}, {y}",
    "lerp": "{x}, {y}, 0.3",
    "addcmul": "{x}, {y}, {x}",
    "where": "{y} > 0.1, {x}, {y}",
}
_OPERATORS = {"add": "+", "sub": "-", "mul": "*"}
_COMPARISONS = {
    **{name: f"torch.where(torch.{name}({{x}}, {{y}}), {{x}}, 0.5)" for name in ("gt", "lt", "ge", "le", "eq", "ne")},
    "logical_and": "torch.where(torch.logical_and({x} > 0, {y} > 0), {x}, 0.5)",
    "logical_or": "torch.where(torch.logical_or({x} > 0, {y} > 0), {x}, 0.5)",
    "logical_not": "torch.where(torch.logical_not({x} > 0), {x}, 0.5)",
    "bitwise_and": "torch.where(({x} > 0) & ({y} > 0), {x}, 0.5)",
    "bitwise_or": "torch.where(({x} > 0) | ({y} > 0), {x}, 0.5)",
    "bitwise_not": "torch.where(~({x} > 0), {x}, 0.5)",
    "isnan": "torch.masked_fill({x}, torch.isnan({x}), 0.0)",
    "isinf": "torch.masked_fill({x}, torch.isinf({x}), 0.0)",
}
_LIKE = {"zeros_like": "{x}", "ones_like": "{x}", "full_like": "{x}, 0.7"}


def is_repeated_to(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a tensor of one shape is repeated to another by an operation that joins both."""
    try:
        return tuple(torch.broadcast_shapes(shape, target)) == target
    except RuntimeError:
        return False


def repeated_shapes(value: Value) -> list[tuple[int, ...]]:
    """Shapes of parameters that such an operation repeats to a value's."""
    full = value.shape
    shapes = [(*full[:1], *(1 for _ in full[1:])), full, full[-1:], (1,), (1, *full[:1], *(1 for _ in full[1:]))]
    shapes += [(*(1 for _ in full[:-1]), full[-1])] + [full[place:] for place in range(1, len(full))]
    return [shape for shape in dict.fromkeys(shapes) if shape]


def partner(draft: Draft, x: Value) -> str:
    """A second operand: a tensor of the network, means of one, a parameter or a number."""
    same = [value for value in reversed(draft.values) if is_repeated_to((7, *value.shape), (7, *x.shape))]
    match draft.pick(("tensor", "tensor", "means", "parameter", "number")):
        case "tensor":
            return draft.pick(same).name
        case "means":
            value = draft.pick([value for value in same if value.rank > 1])
            axes = draft.pick((tuple(range(2, value.rank + 1)), tuple(range(1, value.rank)), (1,), (value.rank,)))
            return f"{value}.mean({axes if len(axes) > 1 else axes[0]}, keepdim=True)"
        case "parameter":
            return draft.parameter(draft.pick(repeated_shapes(x)))
        case _:
            return f"torch.tensor({draft.pick((0.5, 2.0))})"


def _layer(name: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        if x.rank != _RANK_OF_DROPOUT.get(name, x.rank):
            raise MisfitError
        constructor = _LAYERS[name]
        if name.lower() in _IN_PLACE and not x.is_input and draft.chance(4):
            constructor = constructor.replace("()", "(inplace=True)")
        draft.emit(f"{draft.layer(constructor)}({x})")

    return make


def _call(name: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        text = _CALLS[name].format(x=x)
        if name in _IN_PLACE and not x.is_input and draft.chance(4):
            text = f"{text[:-1]}, inplace=True)"
        draft.emit(text)

    return make


def _function(name: str, template: str) -> Maker:
    """A function of torch, also as the method and as the method that writes in place."""

    def make(draft: Draft, x: Value) -> None:
        y = partner(draft, x) if "{y}" in template else ""
        text = template.format(x=x, y=y)
        is_plain = template == "{x}" or template.startswith("{x},")
        spelling = draft.pick(("function", "method", "in place")) if is_plain else "function"
        if spelling == "function" or (name in {"rsub", "rrelu", "selu", "celu", "threshold"}):
            draft.emit(f"torch.{name}({text})")
        elif spelling == "in place" and not x.is_input:
            draft.emit(f"{x}.{name}_({text.removeprefix(str(x)).removeprefix(', ')})")
        else:
            draft.emit(f"{x}.{name}({text.removeprefix(str(x)).removeprefix(', ')})")

    return make


def _template(template: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        draft.emit(template.format(x=x, y=partner(draft, x) if "{y}" in template else ""))

    return make


def _operator(sign: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        y = partner(draft, x)
        left, right = draft.pick(((x, y), (y, x)))
        draft.emit(f"{left} {sign} {right}")

    return make


def _sum(draft: Draft, x: Value) -> None:
    """A residual sum of two tensors of the network."""
    y = draft.pick([value for value in reversed(draft.values) if value.shape == x.shape])
    draft.emit(draft.pick((f"{x} + {y}", f"torch.add({x}, {y})", f"{x}.add({y}, alpha=0.5)")))


def _excited(draft: Draft, x: Value) -> None:
    """A product with gates that are computed from means: squeeze and excitation."""
    if x.rank < 2:
        raise MisfitError
    means = draft.emit(f"{x}.mean({tuple(range(2, x.rank + 1))})")
    hidden = draft.pick((1, 2, x.shape[0]))
    down = draft.emit(f"F.relu({draft.layer(f'nn.Linear({x.shape[0]}, {hidden})')}({means}))")
    up = draft.emit(f"torch.sigmoid({draft.layer(f'nn.Linear({hidden}, {x.shape[0]})')}({down}))")
    ones = ", ".join("1" for _ in x.shape[1:])
    spelled = draft.pick((
        f"{up}[:, :, {', '.join('None' for _ in x.shape[1:])}]",
        f"{up}.view({x}.size(0), -1, {ones})",
    ))
    draft.emit(f"{x} * {spelled}")


def _dropout_call(draft: Draft, x: Value) -> None:
    name = draft.pick(_DROPOUT_CALLS)
    if name == "stochastic_depth":
        draft.emit(f'stochastic_depth({x}, 0.3, "row", training=self.training)')
    elif name == "torch.dropout":
        draft.emit(f"torch.dropout({x}, 0.3, self.training)")
    else:
        draft.emit(f"{name}({x}, 0.3, training=self.training)")


POINTWISE: dict[str, Maker] = {
    **{name: _layer(name) for name in _LAYERS},
    **{f"{_F}{name}": _call(name) for name in _CALLS},
    **{f"torch.{name}": _function(name, template) for name, template in (_ALONE | _WITH_NUMBERS).items()},
}
"""Of one tensor."""
JOINS: dict[str, Maker] = {
    "Add": _sum,
    **{f"torch.{name}": _function(name, template) for name, template in _WITH_ANOTHER.items()},
    **{f"torch.{name}": _template(template) for name, template in _COMPARISONS.items()},
    **{f"torch.{name}": _template(f"{{x}} + torch.{name}({text})") for name, text in _LIKE.items()},
    "torch.add": _operator("+"),
    "Tensor.to": _template("({x} * 3).to(torch.int64).to({x}.dtype) * {y}"),
    "Tensor.type_as": _template("({x} > 0.1).type_as({x}) * {y}"),
    "Tensor.expand_as": _template("{x} + ({y}).expand_as({x})"),
}
"""Of several tensors."""
OTHER_SPELLINGS: dict[str, Maker] = {
    "an operator": _operator("*"),
    "another operator": _operator("-"),
    "squeeze and excitation": _excited,
    "a dropout that is called": _dropout_call,
    "a mask as a factor": _template("({x} > 0.1).to({x}.dtype) * {y}"),
}
"""What no rule is named after."""
