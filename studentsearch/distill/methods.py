"""The table of methods: what `--method` can name. Names are known without an import, a row imports its loss."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from studentsearch.distill import losses
from studentsearch.distill.loss import Method
from studentsearch.errors import UsageError
from studentsearch.own_function import PREFIX, call_installed_function, call_own_function, require_own_function
from studentsearch.runs.files import file_sha256

ENTRY_POINTS = "studentsearch.losses"
"""The group in which an installed package names functions that return a `Method`."""
_WHAT = "method"


def method_names() -> tuple[str, ...]:
    """All names but those of a user's own functions, sorted: the files of `losses/`, and what packages bring."""
    return tuple(sorted({*_own_names(), *(entry.name for entry in entry_points(group=ENTRY_POINTS))}))


def methods() -> tuple[Method, ...]:
    """All methods, sorted by name; this imports torch and every package that brings one."""
    return tuple(method(name) for name in method_names())


def require_method(name: str) -> None:
    """Refuse what names no method; nothing is imported.

    Args:
        name: As `--method` takes it.

    Raises:
        UsageError: If there is none, or two of the name; choose one that the message names.
    """
    if name.startswith(PREFIX):
        require_own_function(name, _WHAT)
        return
    names = method_names()
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names
        raise UsageError(f'unknown method "{name}"; nearest: {", ".join(nearest)}; see all with: --method list')
    sources = [*(["studentsearch"] if name in _own_names() else []), *map(_package, _entries(name))]
    if len(sources) > 1:
        raise UsageError(
            f'found method "{name}" in {" and in ".join(sources)}; expected one; rename its entry point of the group '
            f"{ENTRY_POINTS}, or uninstall a package"
        )


def method(name: str) -> Method:
    """The method of a name; this imports its loss, and with most of them torch.

    Args:
        name: A name of the table, or `python:module:function`, which only a user may give: nothing that stands in a
            file comes here.

    Returns:
        Its row, `name` and `code_sha256` filled in.
    """
    require_method(name)
    if name.startswith(PREFIX):
        return _brought(name, call_own_function(name, _WHAT, {}))
    if name not in _own_names():
        (entry,) = _entries(name)
        return _brought(name, call_installed_function(entry, _WHAT))
    row: Method = importlib.import_module(f"{losses.__name__}.{name}").METHOD
    return replace(row, name=name)


def _own_names() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(losses.__path__))


def _entries(name: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=ENTRY_POINTS, name=name))


def _package(entry: EntryPoint) -> str:
    return entry.value if entry.dist is None else entry.dist.name


def _brought(name: str, row: object) -> Method:
    """A row that comes from outside, with the hash of its loss's code: runs of another code are other runs."""
    if not isinstance(row, Method):
        raise UsageError(
            f'method "{name}" gave a {type(row).__name__}; expected a studentsearch.distill.loss.Method; return one'
        )
    if row.term is None:
        return replace(row, name=name)
    file = getattr(sys.modules.get(row.term.__module__), "__file__", None)
    if file is None:
        raise UsageError(f'method "{name}": found {row.term.__qualname__} in no file; define it in a module')
    return replace(row, name=name, code_sha256=file_sha256(Path(file)))
