"""The documentation as a site: every page is in the list, every link leads somewhere; .ci/run builds it."""

import re
from pathlib import Path

import pytest
import yaml
from pages import PAGES, ROOT, page_name

SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
NAMED = re.compile(r"\bdocs/[\w/]+\.md")
READERS = sorted(
    path
    for name in ("studentsearch", "tests", "examples", ".github", ".ci", "pyproject.toml", "mkdocs.yml")
    for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
    if (path.suffix in {".py", ".yml", ".toml"} or path.name == "run") and path.is_file()
)


def listed(entries: object) -> list[str]:
    """Paths of pages below docs/, in order, however deep they stand."""
    match entries:
        case str():
            return [entries]
        case list():
            return [path for entry in entries for path in listed(entry)]
        case dict():
            return [path for entry in entries.values() for path in listed(entry)]
    raise AssertionError(entries)


def made_while_building() -> set[str]:
    rooms = {path.parent.name for path in (ROOT / "studentsearch").glob("*/__init__.py")} - {"cli"}
    return {"reference/commands.md", *(f"reference/python/{name}.md" for name in rooms | {"api", "floor_0"})}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_the_list_of_pages_is_complete() -> None:
    pages = listed(SITE["nav"])
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) == len(set(pages))
    assert set(pages) == written | made_while_building()


def test_nothing_is_fetched_while_the_site_is_built_or_read() -> None:
    assert SITE["theme"]["font"] is False
    assert {name for entry in SITE["plugins"] for name in ([entry] if isinstance(entry, str) else entry)} == {
        *("search", "mkdocstrings"),
    }
    assert not {"site_url", "repo_url", "extra_css", "extra_javascript"} & SITE.keys()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = page if not name else page.parent / name
        is_made = (
            name
            and target.resolve().is_relative_to(ROOT / "docs")
            and made_while_building() & {target.resolve().relative_to(ROOT / "docs").as_posix()}
        )
        assert target.exists() or is_made, f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"
        assert page.parent == ROOT or target.resolve().is_relative_to(ROOT / "docs"), f"{link} leaves the site"


def test_pages_that_code_names_exist() -> None:
    named = {(path, name) for path in READERS for name in NAMED.findall(path.read_text(encoding="utf-8"))}
    assert [(page_name(path), name) for path, name in sorted(named) if not (ROOT / name).is_file()] == []
