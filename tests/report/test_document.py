import json
from html.parser import HTMLParser
from pathlib import Path

import made_runs
import pytest

from studentsearch.report import report_json, write_html


class Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_json_of_a_search(tmp_path: Path) -> None:
    made_runs.write_search(tmp_path / "run")
    value = json.loads(json.dumps(report_json(tmp_path / "run")))
    assert (value["kind"], value["status"]) == ("search", "complete")
    assert list(value["students"]) == ["200M", "150M", "90M"]
    block = value["students"]["90M"]["blocks"][1]
    assert block["name"] == "denseblock1"
    assert block["drop_ratio"] == pytest.approx(1 - block["kept_inputs"] / block["inputs"])
    assert value["results"]["students"][2]["accuracy_test"] == 51.4


def test_json_of_a_student_alone(tmp_path: Path) -> None:
    made_runs.write_student(tmp_path / "student")
    value = report_json(tmp_path / "student")
    assert (value["kind"], value["macs"], value["teacher_macs"]) == ("student", 89_912_345, 287_929_692)


@pytest.mark.parametrize("kind", ["search", "distill", "teach"])
def test_page_is_whole_and_needs_nothing_else(tmp_path: Path, kind: str) -> None:
    if kind == "search":
        made_runs.write_search(tmp_path / "run")
    else:
        made_runs.write_training(tmp_path / "run", kind)
    write_html(tmp_path / "run", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    page = Balance()
    page.feed(text)
    assert page.open == []
    assert "://" not in text
    assert "script" not in page.seen
    assert page.seen.count("polyline") == 2
    # a block of 16 layers and its end has 17 * 18 / 2 connections; two blocks, three students
    assert page.seen.count("rect") == {"search": 3 * 2 * 153, "distill": 2 * 15, "teach": 0}[kind]


def test_page_escapes_what_it_shows(tmp_path: Path) -> None:
    made_runs.write_training(tmp_path / "run", "teach")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    manifest["facts"]["command"] = ["studentsearch", "<b>"]
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    write_html(tmp_path / "run", tmp_path / "page.html")
    assert "studentsearch &lt;b&gt;" in (tmp_path / "page.html").read_text()
