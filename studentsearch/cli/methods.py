"""`--method list`: every method with its source, cost, needs and settings."""

import sys
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from studentsearch.cli.show import show_json

if TYPE_CHECKING:
    from studentsearch.distill.loss import Method


def show_methods(*, as_json: bool) -> None:
    """Print the table of methods on stdout.

    Args:
        as_json: Facts as JSON instead of words.
    """
    from studentsearch.distill.methods import methods

    if as_json:
        words = ("summary", "source", "cost", "needs")
        show_json({
            method.name: {word: getattr(method, word) for word in words} | {"settings": _settings(method)}
            for method in methods()
        })
        return
    for method in methods():
        settings = ", ".join(f"{name}={value}" for name, value in _settings(method).items())
        sys.stdout.write(
            f"{method.name}: {method.summary}\n    needs {method.needs}; costs {method.cost}\n    {method.source}\n"
            + (f"    settings: {settings}\n" if settings else "")
        )


def _settings(method: "Method") -> dict[str, str]:
    """What `--loss-setting` takes with this method, and its default as text."""
    from studentsearch.jobs.method_options import SHARED_SETTINGS

    known = () if method.term is None else fields(method.term)
    own = [setting for setting in known if setting.name not in SHARED_SETTINGS]
    return {setting.name: "" if setting.default is MISSING else str(setting.default) for setting in own}
