"""`--method list`: every method with its source, cost and needs."""

import sys

from studentsearch.cli.show import show_json


def show_methods(*, as_json: bool) -> None:
    """Print the table of methods on stdout.

    Args:
        as_json: Facts as JSON instead of words.
    """
    from studentsearch.distill.methods import methods

    if as_json:
        show_json({
            method.name: {
                "summary": method.summary,
                "source": method.source,
                "cost": method.cost,
                "needs": method.needs,
            }
            for method in methods()
        })
        return
    for method in methods():
        sys.stdout.write(
            f"{method.name}: {method.summary}\n    needs {method.needs}; costs {method.cost}\n    {method.source}\n"
        )
