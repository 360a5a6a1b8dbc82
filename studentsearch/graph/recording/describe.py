"""What a module or function of torch is called here: the first half of the rule table.

A layer is described by its class and the arguments of its constructor. A functional call with weights of its own
(`F.conv2d(x, self.weight)`) is described as the layer that computes it; any other call by the function's public name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.utils import parametrize

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import Argument, decode, encode_number
from studentsearch.graph.layers import Constant, Select, StochasticDepth
from studentsearch.graph.network import Operation

OWN_LAYERS: tuple[type[nn.Module], ...] = (Select, Constant, StochasticDepth)
_NOT_ARGUMENTS = frozenset({"self", "inplace", "device", "dtype", "args", "kwargs", "return_indices"})


def layer_class(kind: str) -> type[nn.Module] | None:
    """The class of a layer by its name: one of torch.nn or of our own."""
    own = {layer.__name__: layer for layer in OWN_LAYERS}
    found: object = own.get(kind) or getattr(nn, kind, None)
    return found if isinstance(found, type) and issubclass(found, nn.Module) else None


def make_layer(operation: Operation) -> nn.Module:
    """The layer of an operation, with fresh weights.

    Args:
        operation: A kind of layer, and the arguments of its constructor.

    Returns:
        The layer.

    Raises:
        UnsupportedGraphError: No such layer.
    """
    layer = layer_class(operation.kind)
    if layer is None:
        raise UnsupportedGraphError(f"found no layer {operation.kind!a:.100}; expected one of torch.nn")
    return layer(**{name: decode(value, (), None) for name, value in operation.arguments.items()})


def constructor_arguments(layer: type[nn.Module]) -> frozenset[str]:
    """The arguments that describe a layer: those of its constructor but device, dtype and writing in place."""
    names = inspect.signature(layer.__init__).parameters
    return frozenset(name for name in names if name not in _NOT_ARGUMENTS and not name.startswith("_"))


def plain_class(module: nn.Module) -> type[nn.Module]:
    """The class of a layer without the parametrizations that torch.nn.utils put on it."""
    kind = type(module)
    return kind.__bases__[0] if parametrize.is_parametrized(module) else kind


def describe_module(module: nn.Module, path: str, rank: int = 0) -> Operation:
    """The operation of a layer, with the arguments its constructor takes.

    Args:
        module: A layer.
        path: Its module path, for the message.
        rank: Axes of its output without the batch, which tell the dimension of a SyncBatchNorm.

    Returns:
        The operation.

    Raises:
        UnsupportedGraphError: Not a layer of torch.nn, or one whose arguments cannot be read back.
    """
    kind = plain_class(module)
    if kind is nn.SyncBatchNorm:
        kind = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[rank - 1]
    if kind.__name__ in {"StochasticDepth", "DropPath"}:
        return _stochastic_depth(module)
    if layer_class(kind.__name__) is not kind:
        raise UnsupportedGraphError(
            f"{path}: a layer of class {kind.__name__} has no rule; expected layers of torch.nn; write it with these"
        )
    arguments: dict[str, Argument] = {}
    for name in inspect.signature(kind.__init__).parameters:
        if name not in _NOT_ARGUMENTS and not name.startswith("_"):
            arguments[name] = _constructor_argument(module, name, path)
    return Operation(kind=kind.__name__, arguments=arguments)


_WINDOW = ("kernel_size", "stride", "padding")
_POOL_ARGUMENTS = {
    "max": (*_WINDOW, "dilation", "ceil_mode"),
    "avg": (*_WINDOW, "ceil_mode", "count_include_pad", "divisor_override"),
    "lp": ("norm_type", "kernel_size", "stride", "ceil_mode"),
    "adaptive_avg": ("output_size",),
    "adaptive_max": ("output_size",),
}


def describe_pooling(name: str, arguments: Sequence[object], options: Mapping[str, object]) -> Operation | None:
    """A functional pooling as the layer that computes it.

    Args:
        name: Public name of the function.
        arguments: Its positional arguments after the tensor.
        options: Its named arguments.

    Returns:
        The layer, None for any other function.
    """
    match = re.fullmatch(r"torch\.(?:nn\.functional\.)?(\w+)_pool([123])d", name)
    if match is None or match[1] not in _POOL_ARGUMENTS:
        return None
    names = _POOL_ARGUMENTS[match[1]]
    given = dict(zip(names, arguments, strict=False)) | {key: options[key] for key in names if key in options}
    if given.get("stride") in ((), []):
        del given["stride"]
    kind = "".join(part.capitalize() for part in match[1].split("_")).replace("Lp", "LP") + f"Pool{match[2]}d"
    layer = layer_class(kind)
    assert layer is not None
    return describe_module(layer(**given), name)


def _stochastic_depth(module: nn.Module) -> Operation:
    probability = getattr(module, "p", getattr(module, "drop_prob", 0.0))
    arguments: dict[str, Argument] = {"p": float(probability or 0.0), "mode": str(getattr(module, "mode", "row"))}
    return Operation(kind="StochasticDepth", arguments=arguments)


def _constructor_argument(module: nn.Module, name: str, path: str) -> Argument:
    value: object = getattr(module, name, None)
    match module, name:
        case Select(), "channels":
            return tuple(module.channels.tolist())
        case Constant(), "num_channels":
            return module.value.shape[0]
        case nn.PReLU(), "init":
            return 0.25
        case nn.MultiheadAttention(), "bias":
            return module.in_proj_bias is not None
        case nn.MultiheadAttention(), "add_bias_kv":
            return module.bias_k is not None
        case nn.Module(), "bias":
            return value is not None
    if name in {"output_size", "size"} and isinstance(value, list):
        value = tuple(value)
    if isinstance(value, tuple):
        return tuple(item if isinstance(item, (bool, int, float, str, tuple)) else None for item in value)
    if isinstance(value, float):
        return encode_number(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise UnsupportedGraphError(
        f"{path}: {type(module).__name__}.{name} is a {type(value).__name__}; expected a number, a string or a tuple; "
        "build the layer from these"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedCall:
    """A functional call that has weights, as a layer.

    Attributes:
        kind: The layer.
        parameters: The function's parameters in order.
        weights: Which of them are tensors that the layer owns.
    """

    kind: str
    parameters: tuple[str, ...]
    weights: tuple[str, ...] = ("weight", "bias")


_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_FUNCTIONAL = "torch.nn.functional."
WEIGHTED_CALLS: Mapping[str, WeightedCall] = {
    **{
        f"{home}conv{n}d": WeightedCall(kind=f"Conv{n}d", parameters=_CONV)
        for n in (1, 2, 3)
        for home in ("torch.", _FUNCTIONAL)
    },
    **{
        f"{home}conv_transpose{n}d": WeightedCall(kind=f"ConvTranspose{n}d", parameters=_TRANSPOSED)
        for n in (1, 2, 3)
        for home in ("torch.", _FUNCTIONAL)
    },
    f"{_FUNCTIONAL}linear": WeightedCall(kind="Linear", parameters=("input", "weight", "bias")),
    f"{_FUNCTIONAL}batch_norm": WeightedCall(
        kind="BatchNorm",
        parameters=("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
        weights=("running_mean", "running_var", "weight", "bias"),
    ),
    f"{_FUNCTIONAL}instance_norm": WeightedCall(
        kind="InstanceNorm",
        parameters=("input", "running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps"),
        weights=("running_mean", "running_var", "weight", "bias"),
    ),
    f"{_FUNCTIONAL}layer_norm": WeightedCall(
        kind="LayerNorm", parameters=("input", "normalized_shape", "weight", "bias", "eps")
    ),
    f"{_FUNCTIONAL}rms_norm": WeightedCall(
        kind="RMSNorm", parameters=("input", "normalized_shape", "weight", "eps"), weights=("weight",)
    ),
    f"{_FUNCTIONAL}group_norm": WeightedCall(
        kind="GroupNorm", parameters=("input", "num_groups", "weight", "bias", "eps")
    ),
    "torch.batch_norm": WeightedCall(
        kind="BatchNorm",
        parameters=("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps"),
        weights=("running_mean", "running_var", "weight", "bias"),
    ),
    "torch.instance_norm": WeightedCall(
        kind="InstanceNorm",
        parameters=("input", "weight", "bias", "running_mean", "running_var", "use_input_stats", "momentum", "eps"),
        weights=("running_mean", "running_var", "weight", "bias"),
    ),
    "torch.group_norm": WeightedCall(kind="GroupNorm", parameters=("input", "num_groups", "weight", "bias", "eps")),
    "torch.rms_norm": WeightedCall(
        kind="RMSNorm", parameters=("input", "normalized_shape", "weight", "eps"), weights=("weight",)
    ),
    f"{_FUNCTIONAL}prelu": WeightedCall(kind="PReLU", parameters=("input", "weight"), weights=("weight",)),
    "torch.prelu": WeightedCall(kind="PReLU", parameters=("input", "weight"), weights=("weight",)),
    "torch.layer_norm": WeightedCall(
        kind="LayerNorm", parameters=("input", "normalized_shape", "weight", "bias", "eps")
    ),
}
