"""Recorded calls written down as plain values: a function's public name and its arguments."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import (
    BATCH,
    DICT,
    DTYPE,
    ELLIPSIS,
    HOMES,
    INFINITY,
    INPUT,
    NAMED,
    NAN,
    SLICE,
    Argument,
)

_SPELLED: dict[object, str] = {
    operator.add: "torch.add",
    operator.sub: "torch.sub",
    operator.mul: "torch.mul",
    operator.truediv: "torch.div",
    operator.pow: "torch.pow",
    operator.neg: "torch.neg",
    operator.matmul: "torch.matmul",
    operator.getitem: "operator.getitem",
    operator.floordiv: "torch.floor_divide",
    operator.mod: "torch.remainder",
    operator.invert: "torch.bitwise_not",
    operator.and_: "torch.bitwise_and",
    operator.or_: "torch.bitwise_or",
    F.threshold: "torch.nn.functional.threshold",  # which calls itself _threshold
    torch.concat: "torch.cat",
    torch.concatenate: "torch.cat",
}
_METHODS = {
    "add": "torch.add",
    "sub": "torch.sub",
    "mul": "torch.mul",
    "div": "torch.div",
    "multiply": "torch.mul",
    "__add__": "torch.add",
    "__mul__": "torch.mul",
    "view": "torch.reshape",
    "reshape": "torch.reshape",
    "contiguous": "Tensor.contiguous",
}


def function_name(target: object) -> str | None:
    """The public name under which a function of torch is found again, None for a function that is not torch's.

    Args:
        target: A function, or the name of a method of Tensor.

    Returns:
        `torch.add`, `torch.nn.functional.relu`, `Tensor.mean`, ... One operation has one name: `x.add(y)`, `x + y` and
        `torch.add(x, y)` are all `torch.add`.
    """
    if isinstance(target, str):
        if target in _METHODS:
            return _METHODS[target]
        if hasattr(torch, target) and callable(getattr(torch, target)):
            return f"torch.{target}"
        return f"Tensor.{target}" if hasattr(Tensor, target) else None
    try:
        if target in _SPELLED:
            return _SPELLED[target]
    except TypeError:  # an unhashable callable is not one of torch's functions
        return None
    name = getattr(target, "__name__", "")
    for home, module in HOMES:
        # The functions of torch.special and torch.fft call themselves special_erf and fft_fft2.
        last = name.removeprefix(f"{home.rpartition('.')[2]}_")
        if getattr(module, last, None) is target:
            is_in_torch = getattr(torch, last, None) is target or (module is torch.special and hasattr(torch, last))
            return f"torch.{last}" if is_in_torch else f"{home}.{last}"
    # Some are known by another name than their own, as log_sigmoid is F.logsigmoid.
    return next((f"torch.nn.functional.{last}" for last, found in vars(F).items() if found is target), None)


def encode(value: object, number_of: Callable[[fx.Node], int], batch: int) -> Argument:
    """An argument of a recorded call as plain values.

    Args:
        value: What torch.fx recorded.
        number_of: The number of a node among the tensors that the call reads.
        batch: The batch size of the recording; integers that it divides come from it.

    Returns:
        The argument.

    Raises:
        UnsupportedGraphError: A value that cannot be written down.
    """
    match value:
        case fx.Node():
            return (INPUT, number_of(value))
        case bool() | str() | None:
            return value
        case int():
            return (BATCH, value // batch) if value and value % batch == 0 else value
        case float():
            return encode_number(value)
        case tuple() if hasattr(value, "_fields"):
            items = zip(value._fields, value, strict=True)
            return (NAMED, type(value).__name__, *((name, encode(item, number_of, batch)) for name, item in items))
        case tuple() | list():
            return tuple(encode(item, number_of, batch) for item in value)
        case Mapping() if all(isinstance(key, str) for key in value):
            return (DICT, *((key, encode(item, number_of, batch)) for key, item in value.items()))
        case slice():
            return (SLICE, *(encode(part, number_of, batch) for part in (value.start, value.stop, value.step)))
        case _ if value is Ellipsis:
            return (ELLIPSIS,)
        case torch.dtype():
            return (DTYPE, str(value).removeprefix("torch."))
        case torch.device():
            return None
        case _:
            raise UnsupportedGraphError(
                f"an argument of type {type(value).__name__}; numbers, strings and tuples can be written down; "
                "compute it from these"
            )


def encode_number(value: float) -> Argument:
    """A number as a plain value that JSON has.

    Args:
        value: Any number.

    Returns:
        The number itself, or a mark for what JSON lacks.
    """
    if math.isnan(value):
        return (NAN,)
    return (INFINITY, int(math.copysign(1, value))) if math.isinf(value) else value
