"""One call of a forward, on tensors or on the nodes that stand for them, and its canonical form in an fx graph."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain
from typing import cast

import torch
from torch import Tensor, fx
from torch.fx.node import Argument, Target
from torch.nn import functional

_OPERATORS: Mapping[str, Callable[..., object]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "true_divide": operator.truediv,
    "pow": operator.pow,
    "matmul": operator.matmul,
}
_REFLECTED: Mapping[str, Callable[..., object]] = {
    "__rsub__": operator.sub,
    "__rdiv__": operator.truediv,
    "__rtruediv__": operator.truediv,
    "__rfloordiv__": operator.floordiv,
    "__rmod__": operator.mod,
    "__rpow__": operator.pow,
    "__rmatmul__": operator.matmul,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that a forward makes.

    Attributes:
        run: What computes it, on whichever tensors it is given.
        name: The operation.
        args: Positional arguments, with tensors.
        kwargs: Named arguments, with tensors.
        layer: The path of the leaf module; none for a function or method.
    """

    run: Callable[..., object]
    name: str
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    layer: str | None = None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors among the arguments, in order, repeats kept."""
        return tuple(tensors_in((self.args, self.kwargs)))

    @property
    def writes(self) -> bool:
        """Whether it is an in-place form, which changes its first tensor."""
        in_place = self.name.endswith("_") and not self.name.endswith("__")
        return in_place or self.name == "__setitem__" or bool(self.kwargs.get("inplace"))

    @property
    def is_property(self) -> bool:
        """Whether it reads an attribute of a tensor."""
        return getattr(self.run, "__name__", "") == "__get__"

    def has_multiple(self, batch: int) -> bool:
        """Whether a size among the arguments comes from a batch of so many (`torch.zeros(x.shape[0], 4)`)."""
        found: list[object] = []
        self.mapped(found.append)
        return any(type(leaf) is int and leaf != 0 and leaf % batch == 0 for leaf in found)

    def mapped(self, function: Callable[[object], object]) -> Call:
        """The same call with `function` applied to everything in its arguments that holds nothing else."""
        kwargs = {name: map_leaves(function, value) for name, value in self.kwargs.items()}
        return replace(self, args=tuple(map_leaves(function, value) for value in self.args), kwargs=kwargs)

    def result(self) -> object:
        """Run it."""
        return self.run(*self.args, **self.kwargs)


def tensors_in(value: object) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        yield from chain.from_iterable(map(tensors_in, value))
    elif isinstance(value, Mapping):
        yield from chain.from_iterable(map(tensors_in, value.values()))


def map_leaves(function: Callable[[object], object], value: object) -> object:
    """`value` with `function` applied to all that nested tuples, lists and dicts hold; the type of tuples is kept."""
    if isinstance(value, (tuple, list)):
        items = [map_leaves(function, item) for item in value]
        make: Callable[..., object] = list if isinstance(value, list) else type(value)
        if make is torch.Size:
            make = tuple
        return make(*items) if hasattr(value, "_fields") else make(items)
    if isinstance(value, Mapping):
        return {key: map_leaves(function, item) for key, item in value.items()}
    return function(value)


def without_dataclasses(value: object) -> object:
    """`value` with every dataclass in it as the dict of its fields, and every mapping as a dict."""
    if isinstance(value, Mapping):
        return {key: without_dataclasses(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        items = [without_dataclasses(item) for item in value]
        make: Callable[..., object] = type(value)
        return make(*items) if hasattr(value, "_fields") else make(items)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: without_dataclasses(getattr(value, field.name)) for field in fields(value)}
    return value


def append(graph: fx.Graph, call: Call) -> fx.Node | None:
    """Add a call to a graph in the form that makes a new tensor; operators become functions of `operator`.

    Args:
        graph: Gets one node at its end.
        call: Its tensors are nodes of `graph`.

    Returns:
        The node; none for an in-place call without such a form.
    """
    if call.layer is not None:
        return _create(graph, "call_module", call.layer, call)
    # The device is that of the recording, not of the module.
    kwargs = {name: value for name, value in call.kwargs.items() if not isinstance(value, torch.device)}
    if "inplace" in kwargs:
        kwargs["inplace"] = False
    call = replace(call, kwargs=kwargs)
    if call.is_property:
        return _create(graph, "call_function", getattr, replace(call, args=(*call.args, call.name)))
    is_method = getattr(call.run, "__qualname__", "").startswith(("Tensor.", "TensorBase."))
    return _append_method(graph, call) if is_method else _append_function(graph, call)


def _append_method(graph: fx.Graph, call: Call) -> fx.Node | None:
    name = call.name[:-1] if call.writes else call.name
    if len(call.args) == 2 and not call.kwargs:
        if name in _REFLECTED:
            return _create(graph, "call_function", _REFLECTED[name], replace(call, args=call.args[::-1]))
        if name in _OPERATORS:
            return _create(graph, "call_function", _OPERATORS[name], call)
    if name.startswith("__") and hasattr(operator, name):
        return _create(graph, "call_function", getattr(operator, name), call)
    return _create(graph, "call_method", name, call) if hasattr(Tensor, name) else None


def _append_function(graph: fx.Graph, call: Call) -> fx.Node | None:
    if not call.name.endswith("_"):
        return _create(graph, "call_function", call.run, call)
    home = next((home for home in (torch, functional) if hasattr(home, call.name[:-1])), None)
    return None if home is None else _create(graph, "call_function", getattr(home, call.name[:-1]), call)


def _create(graph: fx.Graph, op: str, target: Target, call: Call) -> fx.Node:
    args = cast("tuple[Argument, ...]", call.args)
    return graph.create_node(op, target, args, cast("dict[str, Argument]", dict(call.kwargs)))
