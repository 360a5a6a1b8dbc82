"""Named tuples that a network returns: their classes stand in model.py, so their names must mean nothing else there."""

from __future__ import annotations

import builtins

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import NAMED, Argument, named_tuple

_NAMES_OF_MODEL_PY = frozenset({
    *("Constant", "F", "NamedTuple", "Path", "Select", "StochasticDepth", "Student", "Tensor", "build", "nn", "torch"),
    *("annotations", *dir(builtins)),
})


def named_tuples(argument: Argument) -> dict[str, tuple[str, ...]]:
    """The named tuples in an argument.

    Args:
        argument: What `encode` gave.

    Returns:
        The fields of each by its name, those inside first.

    Raises:
        UnsupportedGraphError: Two of one name have different fields, or the name means something else in model.py.
    """
    found: dict[str, tuple[str, ...]] = {}
    if not isinstance(argument, tuple):
        return found
    own: dict[str, tuple[str, ...]] = {}
    if argument[:1] == (NAMED,):
        if argument[1] in _NAMES_OF_MODEL_PY:
            raise UnsupportedGraphError(
                f"returns a named tuple called {argument[1]}, which means something else in a student's model.py; "
                "give it another name"
            )
        own[str(argument[1])] = tuple(str(item[0]) for item in argument[2:] if isinstance(item, tuple))
        named_tuple(*next(iter(own.items())))  # refuses names that are no identifiers
    for names in (*map(named_tuples, argument), own):
        for name, fields in names.items():
            if found.setdefault(name, fields) != fields:
                raise UnsupportedGraphError(
                    f"returns two kinds of named tuples called {name}, with fields {', '.join(found[name])} and "
                    f"{', '.join(fields)}; give one of them another name"
                )
    return found


def mentions_named(argument: Argument) -> bool:
    """Whether a named tuple is in an argument; model.py has the classes of those that are returned, and no others."""
    return isinstance(argument, tuple) and (argument[:1] == (NAMED,) or any(mentions_named(item) for item in argument))


def without_names(argument: Argument) -> Argument:
    """The argument with plain tuples in place of named ones, which functions of torch take as well."""
    if not isinstance(argument, tuple):
        return argument
    items = tuple(item[1] for item in argument[2:] if isinstance(item, tuple)) if argument[:1] == (NAMED,) else argument
    return tuple(without_names(item) for item in items)
