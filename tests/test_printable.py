"""Foreign text, shown: one line, printable, bounded, and nothing but text in Markdown and docstrings."""

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studentsearch.printable import docstring, markdown, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("resnet8 of 90M", "resnet8 of 90M"),
        ("Ärger", "Ärger"),
        ("\x1b[31mred\n", r"\x1b[31mred\n"),
        ("\u202eevil", r"\u202eevil"),
        ("\udcff", r"\udcff"),
        ("x" * 300, "x" * 197 + "..."),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(codec=None), max_size=60), st.integers(min_value=10, max_value=50))
def test_it_is_one_bounded_line_in_every_place(text: str, limit: int) -> None:
    shown = printable(text, limit=limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    assert ast.literal_eval(f'"""{docstring(text, limit=limit)}"""') == shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>|`\[\]]", markdown(text, limit=limit))
