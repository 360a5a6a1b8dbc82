"""`--method list`: every method with its source, cost, needs and settings."""

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from studentsearch.cli.show import show_json

if TYPE_CHECKING:
    from studentsearch.distill.loss import Method
    from studentsearch.runs.files import JsonValue


def show_methods(*, as_json: bool) -> None:
    """Print the table of methods on stdout.

    Args:
        as_json: Facts as JSON instead of words.
    """
    from studentsearch.distill.methods import methods

    if as_json:
        show_json({method.name: _facts(method) for method in methods()})
        return
    for method in methods():
        settings = "".join(f", {name}={value}" for name, value in _settings(method).items()).removeprefix(", ")
        sys.stdout.write(
            f"{method.name}: {method.summary}\n    needs {method.needs}; costs {method.cost}\n    {method.source}\n"
            + (f"    settings: {settings}\n" if settings else "")
        )


def _facts(method: "Method") -> "dict[str, JsonValue]":
    return {
        "summary": method.summary,
        "source": method.source,
        "cost": method.cost,
        "needs": method.needs,
        "settings": _settings(method),
    }


def _settings(method: "Method") -> Mapping[str, str]:
    """Settings that `--loss-setting` takes with their defaults as text."""
    from studentsearch.jobs.method_options import SHARED_SETTINGS

    known = () if method.term is None else fields(method.term)
    return {
        setting.name: "" if setting.default is MISSING else str(setting.default)
        for setting in known
        if setting.name not in SHARED_SETTINGS
    }
