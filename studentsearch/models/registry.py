"""Networks by name: one table from names to constructors, and the user's own Python functions."""

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from studentsearch.errors import UsageError
from studentsearch.models.cifar import densenet_bc, densenet_digits

_PYTHON = "python:"
_ALIASES = {"densenet": "densenet100_12"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A network together with the name that builds it again.

    Attributes:
        name: What `build_model` was given.
        module: The network.
        num_classes: Its logits.
    """

    name: str
    module: nn.Module
    num_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """One line of the table.

    Attributes:
        pattern: The whole name; its groups are integers.
        listed: Names shown to a user who asks what there is.
        build: From the integers in the name, num_classes and in_channels to a network.
    """

    pattern: str
    listed: tuple[str, ...]
    build: Callable[[tuple[int, ...], int, int], nn.Module]


_FAMILIES = (
    _Family(
        pattern=r"densenet([0-9]+)_([0-9]+)",
        listed=("densenet40_12", "densenet100_12"),
        build=lambda sizes, classes, channels: densenet_bc(
            depth=sizes[0], growth=sizes[1], num_classes=classes, in_channels=channels
        ),
    ),
    _Family(
        pattern=r"densenet_digits",
        listed=("densenet_digits",),
        build=lambda _, classes, channels: densenet_digits(num_classes=classes, in_channels=channels),
    ),
)


def model_names() -> tuple[str, ...]:
    """Names that `build_model` knows; of a family with sizes in its names, the usual members.

    Returns:
        Names, sorted.
    """
    return tuple(sorted({*_ALIASES, *(name for family in _FAMILIES for name in family.listed)}))


def canonical_name(name: str) -> str:
    """The full name behind a short one: `densenet` is `densenet100_12`.

    Args:
        name: Any model name.

    Returns:
        The full name; other names unchanged.
    """
    return _ALIASES.get(name, name)


def build_model(name: str, *, num_classes: int, in_channels: int = 3) -> nn.Module:
    """The network of a name, with fresh weights.

    Args:
        name: A registry name (`densenet`, `densenet40_12`, ...), or `python:module:function`: a function, found from
            the working directory too, that gives a network; it is called with `num_classes` and `in_channels` where
            it takes them by these names.
        num_classes: Logits, >= 1.
        in_channels: Channels of the picture, >= 1.

    Returns:
        A network that takes `[B, in_channels, H, W]` and gives `[B, num_classes]`.

    Raises:
        UsageError: No such name, or a function that cannot be imported or gives no network.
    """
    if name.startswith(_PYTHON):
        return _build_from_python(name, num_classes=num_classes, in_channels=in_channels)
    for family in _FAMILIES:
        match = re.fullmatch(family.pattern, canonical_name(name))
        if match is not None:
            return family.build(tuple(map(int, match.groups())), num_classes, in_channels)
    raise UsageError(_unknown(name))


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name, model_names(), n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(nearest)}" if nearest else f"expected one such as {model_names()[0]}"
    return (
        f'unknown model "{name}"; {hint}; list all with: '
        'python -c "from studentsearch.models.registry import model_names; print(*model_names())"; '
        "a network of your own is python:module:function"
    )


def _build_from_python(name: str, *, num_classes: int, in_channels: int) -> nn.Module:
    module_name, separator, function_name = name.removeprefix(_PYTHON).partition(":")
    if not (module_name and separator and function_name):
        raise UsageError(f'model "{name}" names no function; expected python:module:function')
    sizes = {"num_classes": num_classes, "in_channels": in_channels}
    with _working_directory_importable():
        function = _import_function(name, module_name, function_name)
        try:
            network = function(**{key: sizes[key] for key in _accepted(function, tuple(sizes))})
        except Exception as error:
            raise UsageError(f'model "{name}" failed: {type(error).__name__}: {_one_line(error)}; mend it') from error
    if not isinstance(network, nn.Module):
        raise UsageError(f'model "{name}" gave a {type(network).__name__}; expected a torch.nn.Module')
    return network


def _import_function(name: str, module_name: str, function_name: str) -> Callable[..., object]:
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageError(
            f'model "{name}": cannot import {module_name} ({type(error).__name__}: {_one_line(error)}); '
            "run where it can be imported, or mend it"
        ) from error
    function: object = getattr(module, function_name, None)
    if not callable(function):
        found = "has no" if function is None else "has something else than a function as"
        raise UsageError(f'model "{name}": {module_name} {found} {function_name}; expected python:module:function')
    return function


def _accepted(function: Callable[..., object], names: tuple[str, ...]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return names
    return tuple(name for name in names if name in parameters)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _working_directory_importable() -> Iterator[None]:
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
