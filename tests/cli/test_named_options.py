"""Every option that a message of ours names is one that a user can type."""

import ast
import re
from pathlib import Path

import pytest
import typer

from studentsearch.cli.main import app

PACKAGE = Path(__file__).parents[2] / "studentsearch"
OPTIONS = {
    word
    for command in typer.main.get_group(app).commands.values()
    for parameter in command.params
    for word in (*parameter.opts, *parameter.secondary_opts)
} | {"--help", "--debug", "--version"}
OTHERS = {"--logdir"}  # of the program that shows TensorBoard events


def named(file: Path) -> set[str]:
    """The options in the strings of a file, docstrings too."""
    strings = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
    return {word for text in strings if isinstance(text, str) for word in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)}


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_options_that_are_named_exist(file: Path):
    assert named(file) <= OPTIONS | OTHERS


def test_options_are_found_in_messages():
    assert {"--teacher-points", "--points"} <= named(PACKAGE / "graph/feature_points.py")
