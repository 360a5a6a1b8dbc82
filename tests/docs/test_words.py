"""Words that we do not use where the field has its own; the table with the reasons stands in CONTRIBUTING.md."""

import re
from pathlib import Path

import pytest
from pages import ROOT, prose

# Everything below these is read: pages without their code, programs whole.
COVERED = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "examples", "studentsearch", "tests")
SUFFIXES = {".md", ".py", ".yml", ".toml"}
# Each pattern, and what to write instead. An underscore ends a word, so that names are read as well.
WORDS = {
    r"pictures?": "image",
    r"judg(?:e|es|ed|ing|ement|ements)": "evaluate",
    r"(?<!standard )(?<!standard_)deviations?": "standard deviation",
    r"(?-i:(?<!_)l[12])": "penalty (lambda_2) or weight decay (lambda_1)",
    r"avalanches?|lockstep": "what happens, in plain words",
    r"to the letter": "exactly as published",
}
# Of pages alone: in programs these words have other meanings.
PAGE_WORDS = {r"(?<!learning )rates?": "learning rate", r"(?<!feature )maps": "feature maps"}
ALLOWED = {"attention maps"}  # the term of Zagoruyko and Komodakis
FILES = sorted(
    path
    for name in COVERED
    for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
    if path.suffix in SUFFIXES and path != Path(__file__)
)


def unwanted(text: str, words: dict[str, str]) -> list[str]:
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    return [
        f"{found[0]!r} in {text[max(0, found.start() - 30) : found.end() + 30]!r}: write {instead}"
        for pattern, instead in words.items()
        for found in re.finditer(rf"(?<![a-z])(?<!--)(?:{pattern})(?![a-z])", text, re.IGNORECASE)
    ]


def joined(program: str) -> str:
    """A program on one line, so that a phrase in a docstring or a comment is found where lines end."""
    return re.sub(r"\s+(?:# )?", " ", program)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_has_the_words_of_the_field(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    is_page = path.suffix == ".md"
    assert unwanted(prose(text) if is_page else joined(text), WORDS | PAGE_WORDS if is_page else WORDS) == []


@pytest.mark.parametrize(
    "text",
    [
        "a picture",
        "num_pictures",
        "judged by",
        "mean and deviation",
        "the rate falls",
        "the maps",
        "in lockstep",
        "l2 is",
    ],
)
def test_words_are_found(text: str) -> None:
    assert len(unwanted(text, WORDS | PAGE_WORDS)) == 1


@pytest.mark.parametrize(
    "text",
    ["standard deviation", "standard\ndeviation", "learning rate", "feature maps", "attention maps", "--l2"],
)
def test_the_words_of_the_field_pass(text: str) -> None:
    assert unwanted(prose(text), WORDS | PAGE_WORDS) == []
