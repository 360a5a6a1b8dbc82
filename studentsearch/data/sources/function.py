"""A dataset made by the user's own function."""

import dataclasses

from studentsearch.data.dataset import Dataset
from studentsearch.errors import UsageError
from studentsearch.own_function import call_own_function


def open_function(name: str) -> Dataset:
    """What a user's function returns.

    Args:
        name: `python:module:function`.

    Returns:
        The function's dataset under that name.

    Raises:
        UsageError: The function gives no `Dataset`.
    """
    dataset = call_own_function(name, "data", {})
    if not isinstance(dataset, Dataset):
        raise UsageError(
            f'data "{name}" gave a {type(dataset).__name__}; expected a studentsearch.data.dataset.Dataset'
        )
    return dataclasses.replace(dataset, name=name, known_fingerprint=dataset.fingerprint)
