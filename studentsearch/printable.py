"""Text that others may have written, as one line that is safe to show: on a terminal, in Markdown, in a docstring."""

import re

MAX_SHOWN = 200
_MARKDOWN = re.compile(r"([\\`*\[\]<>|&#])")


def printable(text: str, *, limit: int = MAX_SHOWN) -> str:
    r"""The text with every character that does not print written as an escape, cut to a length.

    Line ends, terminal control sequences, marks that turn the direction of writing, and halves of surrogate pairs are
    escaped (`\x1b`, `\u202e`), so that what is shown cannot move the cursor, hide or reorder words.

    Args:
        text: Any text.
        limit: Characters that are shown; of a longer text the end is left out and three dots say so.

    Returns:
        One line of printable characters, at most `limit` of them.
    """
    shown = text[: limit + 1]  # escapes only lengthen it
    escaped = "".join(char if char.isprintable() else _escape(char) for char in shown)
    return escaped if len(escaped) <= limit else f"{escaped[: limit - 3]}..."


def markdown(text: str, *, limit: int = MAX_SHOWN) -> str:
    """The text as words of a Markdown page: printable, and without the marks that would make links, tables or HTML.

    Args:
        text: Any text.
        limit: Characters that are shown, before marks are escaped.

    Returns:
        One line.
    """
    return _MARKDOWN.sub(r"\\\1", printable(text, limit=limit))


def docstring(text: str, *, limit: int = MAX_SHOWN) -> str:
    """The text as words inside a docstring of three double quotes: it can neither end it nor start an escape.

    Args:
        text: Any text.
        limit: Characters that are shown, before marks are escaped.

    Returns:
        One line.
    """
    return printable(text, limit=limit).replace("\\", "\\\\").replace('"', '\\"')


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
