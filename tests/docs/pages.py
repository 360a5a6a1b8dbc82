"""The pages that a reader sees, and the lines in them that can be typed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def typed_lines(page: Path) -> list[str]:
    """Indented lines outside fences, a line that ends with a backslash joined to the next."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8")).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def marked(page: Path, mark: str) -> list[str]:
    """The indented lines that follow each `<!-- mark -->` up to the first line that is not indented."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(rf"^<!-- {mark} -->\n\n?((?:    .*\n)+)", text, re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines()]


def prose(text: str) -> str:
    """A page without code, its white space made single, so that a phrase is found across lines."""
    text = re.sub(r"^ {4,}.*$", "", _FENCE.sub("", text), flags=re.MULTILINE)
    return re.sub(r"\s+", " ", re.sub(r"`[^`]*`|\]\([^)]*\)", " ", text))
