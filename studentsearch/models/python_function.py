"""Networks that a user's own Python function gives, found from the working directory too."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from studentsearch.errors import UsageError
from studentsearch.models.library import Sizes

PREFIX = "python:"


def build_from_python(name: str, sizes: Sizes) -> nn.Module:
    """The network that a function gives.

    Args:
        name: `python:module:function`.
        sizes: `num_classes` and `in_channels` are passed to a function that takes them by these names.

    Returns:
        The network.

    Raises:
        UsageError: The function cannot be imported, fails, or gives no network.
    """
    module_name, separator, function_name = name.removeprefix(PREFIX).partition(":")
    if not (module_name and separator and function_name):
        raise UsageError(f'model "{name}" names no function; expected python:module:function')
    given = {"num_classes": sizes.num_classes, "in_channels": sizes.in_channels}
    with _working_directory_importable():
        function = _import_function(name, module_name, function_name)
        try:
            network = function(**{key: given[key] for key in _accepted(function, tuple(given))})
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
