"""A dataset made by the user's own function."""

import dataclasses
import importlib
import sys
from pathlib import Path

from studentsearch.data.dataset import Dataset
from studentsearch.errors import InputFileError, UsageError


def open_function(target: str) -> Dataset:
    """What a user's function returns.

    Args:
        target: "module:function"; the module is found as Python finds it, and from the working directory too.

    Returns:
        The function's dataset under the name "python:module:function".

    Raises:
        UsageError: If the words have another form, or the module or the function is not there.
        InputFileError: If the module or the function fails, or returns something else than a `Dataset`.
    """
    module_name, colon, function_name = target.partition(":")
    if not (module_name and colon and function_name):
        raise UsageError(f"'python:{target}' is not understood: expected python:module:function")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UsageError(
            f"python:{target} cannot be found ({error}): expected a module on Python's path or in the working directory"
        ) from error
    try:
        dataset = function()
    except Exception as error:
        raise InputFileError(
            f"python:{target} failed with {type(error).__name__}: {error}; mend the function"
        ) from error
    if not isinstance(dataset, Dataset):
        raise InputFileError(
            f"python:{target} returned {type(dataset).__name__}, expected a studentsearch.data.dataset.Dataset"
        )
    return dataclasses.replace(dataset, name=f"python:{target}", known_fingerprint=dataset.fingerprint)
