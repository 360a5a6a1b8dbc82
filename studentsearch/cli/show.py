"""What a command shows: facts on stdout, as words or as JSON."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path


def show_run(path: Path, *, as_json: bool) -> None:
    """Print the report of a run or student folder on stdout.

    Args:
        path: The folder.
        as_json: Facts as JSON instead of tables.
    """
    from studentsearch.report import (
        comparison_json,
        has_stages,
        read_comparison,
        render_comparison,
        render_report,
        report_json,
    )

    if as_json:
        stages = {"stages": comparison_json(read_comparison([path]))} if has_stages(path) else {}
        show_json({**report_json(path), **stages})
        return
    from rich.console import Console

    console = Console()
    render_report(path, console)
    if has_stages(path):
        render_comparison(read_comparison([path]), console)


def show_json(facts: Mapping[str, object]) -> None:
    """Print facts as JSON on stdout.

    Args:
        facts: JSON values by name.
    """
    sys.stdout.write(json.dumps(facts, indent=2, allow_nan=False) + "\n")
