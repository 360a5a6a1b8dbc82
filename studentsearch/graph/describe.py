"""What a module or function of torch is called here: the first half of the rule table.

A network may write one operation in several ways (`nn.ReLU()`, `F.relu(x)`, `x.relu()`); each is described by the
torch.nn layer that computes it. What has no description raises with its path.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.layers import Constant, Select
from studentsearch.graph.network import Argument, Operation

ELEMENTWISE = (
    nn.Identity,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.Tanh,
    nn.Dropout,
    nn.Dropout2d,
)
LAYERS = (
    *ELEMENTWISE,
    nn.Conv2d,
    nn.Linear,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
    Select,
    Constant,
)
_PAIRS = ("kernel_size", "stride", "padding", "dilation", "output_size")


def describe_module(module: nn.Module, path: str) -> Operation:
    """The operation of a layer, with the arguments its constructor takes.

    Args:
        module: A layer of torch.nn.
        path: Its module path, for the message.

    Returns:
        The operation.

    Raises:
        UnsupportedGraphError: No rule knows the layer.
    """
    if type(module) not in LAYERS:
        raise UnsupportedGraphError(
            f"{path}: layers of class {type(module).__name__} have no rule; known are "
            + ", ".join(kind.__name__ for kind in LAYERS)
        )
    arguments: dict[str, Argument] = {}
    for name in inspect.signature(type(module).__init__).parameters:
        if name in {"self", "inplace", "device", "dtype", "args", "kwargs", "return_indices"} or name.startswith("_"):
            continue
        value = getattr(module, name)
        if isinstance(module, Select):
            value = tuple(module.channels.tolist())
        elif name == "bias":
            value = value is not None
        elif name in _PAIRS and isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
            value = value if isinstance(value, (str, tuple)) else (value, value)
        arguments[name] = value
    return Operation(kind=type(module).__name__, arguments=arguments)


def _described_as(layer: Callable[..., nn.Module], *names: str) -> Callable[[fx.Node], Operation]:
    """A describer of a functional call whose arguments after the tensor are called `names`."""

    def describe(node: fx.Node) -> Operation:
        given: dict[str, Any] = dict(zip(names, node.args[1:], strict=False))
        given |= {name: value for name, value in node.kwargs.items() if name in names}
        return describe_module(layer(**given), node.name)

    return describe


def _describe_dropout(node: fx.Node) -> Operation:
    return _described_as(nn.Dropout, "p")(node)


def _describe_concat(node: fx.Node) -> Operation:
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if axis not in {1, -3}:
        raise UnsupportedGraphError(
            f"{node.name}: concatenation along axis {axis}; only channels (axis 1) are followed"
        )
    return Operation(kind="Concat")


def _describe_add(node: fx.Node) -> Operation:
    if not all(isinstance(argument, fx.Node) for argument in node.args[:2]):
        raise UnsupportedGraphError(f"{node.name}: adding a constant; only sums of two tensors are followed")
    return Operation(kind="Add")


_relu = _described_as(nn.ReLU)
_flatten = _described_as(nn.Flatten, "start_dim", "end_dim")
_average = _described_as(nn.AdaptiveAvgPool2d, "output_size")
_POOL = ("kernel_size", "stride", "padding")

CALLS: dict[object, Callable[[fx.Node], Operation]] = {
    F.relu: _relu,
    torch.relu: _relu,
    "relu": _relu,
    "relu_": _relu,
    F.dropout: _describe_dropout,
    F.adaptive_avg_pool2d: _average,
    F.avg_pool2d: _described_as(nn.AvgPool2d, *_POOL, "ceil_mode", "count_include_pad"),
    F.max_pool2d: _described_as(nn.MaxPool2d, *_POOL, "dilation", "ceil_mode"),
    torch.flatten: _flatten,
    "flatten": _flatten,
    torch.cat: _describe_concat,
    torch.concat: _describe_concat,
    operator.add: _describe_add,
    operator.iadd: _describe_add,
    torch.add: _describe_add,
    "add": _describe_add,
    "add_": _describe_add,
}


def describe_call(node: fx.Node) -> Operation:
    """The operation of a functional call or a method.

    Args:
        node: A `call_function` or `call_method` node of torch.fx.

    Returns:
        The operation.

    Raises:
        UnsupportedGraphError: No rule knows the call.
    """
    describer = CALLS.get(node.target)
    if describer is None:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        raise UnsupportedGraphError(f"{node.name}: the operation {name} has no rule; write it as a layer of torch.nn")
    return describer(node)
