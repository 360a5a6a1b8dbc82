"""A user's own Python function, named `python:module:function` and found from the working directory too."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path

from studentsearch.errors import UsageError

PREFIX = "python:"


def call_own_function(name: str, what: str, offered: Mapping[str, int]) -> object:
    """What a user's function returns.

    Args:
        name: `python:module:function`.
        what: What it shall give, for messages: "model", "data".
        offered: Arguments that the function gets if it takes them by these names.

    Returns:
        Anything.

    Raises:
        UsageError: The function cannot be imported, or fails; its own error is in the message.
    """
    with _working_directory_importable():
        return _called(_own_function(name, what), name, what, offered)


def call_installed_function(entry_point: EntryPoint, what: str) -> object:
    """What a function of an installed package returns, called without arguments.

    Args:
        entry_point: Names the function.
        what: What it shall give, for messages: "method".

    Returns:
        Anything.

    The function cannot be imported, or fails: UsageError, as of `call_own_function`.
    """
    label = f'{what} "{entry_point.name}" ({entry_point.value})'
    return _called(_import_function(label, entry_point.module, entry_point.attr), entry_point.name, what, {})


def _called(function: Callable[..., object], name: str, what: str, offered: Mapping[str, int]) -> object:
    try:
        return function(**{key: offered[key] for key in _accepted(function, tuple(offered))})
    except Exception as error:
        raise UsageError(f'{what} "{name}" failed: {type(error).__name__}: {_one_line(error)}; mend it') from error


def import_own_function(name: str, what: str) -> None:
    """Import what a user typed, so that rules which its module teaches hold before anything else is opened.

    Args:
        name: Any name; only `python:module:function` is imported.
        what: What it shall give, for messages: "teacher", "data".

    Raises:
        UsageError: The function cannot be imported.
    """
    if name.startswith(PREFIX):
        with _working_directory_importable():
            _own_function(name, what)


def require_typed(name: str, typed: Collection[str], *, what: str, option: str, source: Path) -> str:
    """A name that a file holds, if it is none of a function or the user gave that function as well.

    What a file names is never imported: only the user says which code runs.

    Args:
        name: A name as the file has it.
        typed: Names that the user gave.
        what: What it names, for the message: "teacher", "data".
        option: Where the user gives it, for the message.
        source: The file or folder.

    Returns:
        The name.

    Raises:
        UsageError: It is `python:module:function`, and the user did not give it.
    """
    if name.startswith(PREFIX) and name not in typed:
        raise UsageError(
            f"{source} names the {what} {name}, a function that is never run because a file names it; "
            f"if you trust it, give {option} {name} yourself"
        )
    return name


def _own_function(name: str, what: str) -> Callable[..., object]:
    module_name, function_name = _parts(name, what)
    return _import_function(f'{what} "{name}"', module_name, function_name)


def require_own_function(name: str, what: str) -> None:
    """Refuse a name that can mean no function; nothing is imported.

    Args:
        name: `python:module:function`.
        what: What it shall give, for messages: "model", "data".

    Raises:
        UsageError: The name has another form, or there is no such module.
    """
    module_name, _ = _parts(name, what)
    package = module_name.partition(".")[0]
    with _working_directory_importable():
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            raise UsageError(
                f'{what} "{name}": there is no module {package} here; run where it can be imported, or check the name'
            )


def _parts(name: str, what: str) -> tuple[str, str]:
    """The module and the function in a name."""
    module_name, separator, function_name = name.removeprefix(PREFIX).partition(":")
    words = (*module_name.split("."), function_name)
    if not separator or not all(word.isidentifier() for word in words):
        raise UsageError(f'{what} "{name}" names no function; expected python:module:function')
    return module_name, function_name


def _import_function(label: str, module_name: str, function_name: str) -> Callable[..., object]:
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageError(
            f"{label}: cannot import {module_name} ({type(error).__name__}: {_one_line(error)}); "
            "run where it can be imported, or mend it"
        ) from error
    function: object = getattr(module, function_name, None)
    if not callable(function):
        found = "has no" if function is None else "has something else than a function as"
        raise UsageError(f"{label}: {module_name} {found} {function_name}; expected python:module:function")
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
