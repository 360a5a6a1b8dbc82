"""Layers as operations: a class and the arguments of its constructor, read back from the layer."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrize

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import Argument
from studentsearch.graph.layer_classes import constructor_arguments, layer_class
from studentsearch.graph.layers import Constant, Select
from studentsearch.graph.network import Operation
from studentsearch.graph.recording.encoding import encode_number


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
    arguments = {name: _constructor_argument(module, name, path) for name in constructor_arguments(kind)}
    return Operation(kind=kind.__name__, arguments=arguments)


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
