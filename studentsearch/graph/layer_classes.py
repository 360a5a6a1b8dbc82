"""Layers of torch.nn and our own by their names: their classes, and how they are made."""

from __future__ import annotations

import inspect

from torch import nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import decode
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


def constructor_arguments(layer: type[nn.Module]) -> tuple[str, ...]:
    """The arguments that describe a layer, in order: its constructor's but device, dtype and writing in place."""
    names = inspect.signature(layer.__init__).parameters
    return tuple(name for name in names if name not in _NOT_ARGUMENTS and not name.startswith("_"))
