"""Arguments of a call as plain values, and how they are read and written: tensors stand for a position.

An argument is a number, a string, None or a tuple; what JSON lacks is a tuple whose first entry is one of the marks
below. Lists become tuples, which torch takes as well.
"""

from __future__ import annotations

import math
import operator
import unicodedata
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from studentsearch.errors import UnsupportedGraphError

Argument: TypeAlias = "bool | int | float | str | tuple[Argument, ...] | None"

INPUT = "$input"  # ("$input", i): the i-th tensor that the call reads
BATCH = "$batch"  # ("$batch", k): k times the batch size
SLICE = "$slice"
DICT = "$dict"  # ("$dict", (key, value), ...)
NAMED = "$named"  # ("$named", name of a named tuple, (field, value), ...)
ELLIPSIS = "$ellipsis"
DTYPE = "$dtype"
INFINITY = "$infinity"  # ("$infinity", sign)
NAN = "$nan"
_DTYPES = {str(found).removeprefix("torch."): found for found in vars(torch).values() if isinstance(found, torch.dtype)}

HOMES = (
    ("torch.nn.functional", F),
    ("torch", torch),
    ("torch.special", torch.special),
    ("torch.fft", torch.fft),
    ("torch.linalg", torch.linalg),
)


def resolve(name: str) -> Callable[..., object]:
    """The function of a public name.

    Args:
        name: What `function_name` gave.

    Returns:
        A function of torch; a method takes its tensor first.

    Raises:
        UnsupportedGraphError: No such function in this version of torch.
    """
    home, _, last = name.rpartition(".")
    if name == "operator.getitem":
        return operator.getitem
    homes: dict[str, object] = {"Tensor": Tensor, **dict(HOMES)}
    found: object = getattr(homes[home], last, None) if home in homes else None
    if not callable(found) or isinstance(found, type):
        raise UnsupportedGraphError(
            f"{name}: torch {torch.__version__} has no such function; use the version that wrote it"
        )
    return found


def decode(argument: Argument, inputs: Sequence[object], batch: object) -> object:
    """The argument as torch takes it.

    Args:
        argument: What `encode` gave.
        inputs: The tensors that the call reads, or whatever stands for them.
        batch: The batch size, a number or whatever stands for it.

    Returns:
        The argument.
    """
    if not isinstance(argument, tuple):
        return argument
    match argument:
        case ("$input", int(number)):
            return inputs[number]
        case ("$batch", 1):
            return batch
        case ("$batch", int(times)):
            return batch * times  # type: ignore[operator]  # a number or a node of torch.fx, both can be multiplied
        case ("$slice", start, stop, step):
            return slice(*(decode(part, inputs, batch) for part in (start, stop, step)))
        case ("$ellipsis",):
            return Ellipsis
        case ("$dtype", str(name)):
            return _DTYPES[name]
        case ("$dict", *items):
            return {str(item[0]): decode(item[1], inputs, batch) for item in items if isinstance(item, tuple)}
        case ("$named", str(name), *items):
            pairs = [item for item in items if isinstance(item, tuple)]
            make = named_tuple(name, tuple(str(item[0]) for item in pairs))
            return make(*(decode(item[1], inputs, batch) for item in pairs))
        case ("$infinity", int(sign)):
            return math.copysign(math.inf, sign)
        case ("$nan",):
            return math.nan
        case _:
            return tuple(decode(item, inputs, batch) for item in argument)


def mentions_batch(argument: Argument) -> bool:
    """Whether an argument depends on the batch size."""
    return isinstance(argument, tuple) and (argument[:1] == (BATCH,) or any(mentions_batch(item) for item in argument))


@cache
def named_tuple(name: str, fields: tuple[str, ...]) -> Callable[..., tuple[object, ...]]:
    """A class of named tuples; the same one for the same names.

    Args:
        name: Its name.
        fields: Its fields.

    Returns:
        The class.

    Raises:
        UnsupportedGraphError: A name that Python does not allow there.
    """
    # Python reads other spellings of a letter in source code as the letter: "\ufb00" as "ff", "\uff4fpen" as "open".
    changed = next((text for text in (name, *fields) if unicodedata.normalize("NFKC", text) != text), None)
    if changed is not None:
        raise UnsupportedGraphError(
            f"a named tuple {name!a}: Python reads its {changed!a} as {unicodedata.normalize('NFKC', changed)!a}; "
            "give it and its fields other names"
        )
    try:
        return namedtuple(name, fields)
    except ValueError as error:
        raise UnsupportedGraphError(f"a named tuple {name!r}: {error}; give it and its fields other names") from error


def write(argument: Argument, inputs: Sequence[str], batch: str) -> str:
    """The argument as Python source.

    Args:
        argument: What `encode` gave.
        inputs: Names of the tensors that the call reads.
        batch: An expression for the batch size.

    Returns:
        An expression that needs `torch` alone.
    """
    if not isinstance(argument, tuple):
        return repr(argument)
    match argument:
        case ("$input", int(number)):
            return inputs[number]
        case ("$batch", int(times)):
            return batch if times == 1 else f"{times} * {batch}"
        case ("$slice", start, stop, step):
            return f"slice({', '.join(write(part, inputs, batch) for part in (start, stop, step))})"
        case ("$ellipsis",):
            return "..."
        case ("$dtype", str(name)):
            return str(_DTYPES[name])
        case ("$dict", *items):
            pairs = (item for item in items if isinstance(item, tuple))
            return f"{{{', '.join(f'{item[0]!r}: {write(item[1], inputs, batch)}' for item in pairs)}}}"
        case ("$named", str(name), *items):
            pairs = (item for item in items if isinstance(item, tuple))
            return f"{name}({', '.join(f'{item[0]}={write(item[1], inputs, batch)}' for item in pairs)})"
        case ("$infinity", int(sign)):
            return 'float("inf")' if sign > 0 else 'float("-inf")'
        case ("$nan",):
            return 'float("nan")'
        case _:
            entries = ", ".join(write(item, inputs, batch) for item in argument)
            return f"({entries},)" if len(argument) == 1 else f"({entries})"


def argument_problem(argument: Argument, num_inputs: int) -> str | None:
    """Why an argument cannot be decoded or written.

    Args:
        argument: Any plain values, as from a file.
        num_inputs: Tensors that the call reads.

    Returns:
        What is wrong; None where `decode` and `write` take it.
    """
    if isinstance(argument, str):
        return None if argument.isprintable() and not argument.startswith("$") else f"the text {argument!a:.60}"
    if not isinstance(argument, tuple):
        return None
    match argument:
        case ("$input", int(number)):
            is_there = not isinstance(number, bool) and 0 <= number < num_inputs
            return None if is_there else f"input {number} of {num_inputs}"
        case ("$batch", int(times)):
            return None if not isinstance(times, bool) and 0 < abs(times) < 2**31 else f"{times} times the batch size"
        case ("$ellipsis",) | ("$nan",) | ("$infinity", 1 | -1):
            return None
        case ("$dtype", str(name)):
            return None if name in _DTYPES else f"the dtype {name!a:.60}"
        case ("$slice", start, stop, step):
            return _first_problem((start, stop, step), num_inputs)
        case ("$dict", *items):
            is_pairs = all(isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in items)
            return _first_problem(items, num_inputs) if is_pairs else "a dictionary of another form"
        case ("$named", str(), *items):
            is_pairs = all(isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in items)
            return _first_problem(items, num_inputs) if is_pairs else "a named tuple of another form"
        case (str(mark), *_) if mark.startswith("$"):
            return f"the mark {mark!a:.60}"
        case _:
            return _first_problem(argument, num_inputs)


def _first_problem(arguments: Sequence[Argument], num_inputs: int) -> str | None:
    problems = (argument_problem(argument, num_inputs) for argument in arguments)
    return next((problem for problem in problems if problem is not None), None)
