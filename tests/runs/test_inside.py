"""A run names its students by paths inside itself, whoever reads them."""

import json
from pathlib import Path

import pytest

from studentsearch.errors import RunFolderError, StudentSearchError
from studentsearch.jobs.locate import locate_student
from studentsearch.report import report_json
from studentsearch.runs.inside import path_inside

OUTSIDE = (
    "/etc",
    "..",
    "../other",
    "students/../../other",
    "C:\\other",
    "..\\other",
    "\\\\host\\share",
    "",
    "a\0b",
    "link",
)


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_path_leads_out_of_a_run(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "link").symlink_to(tmp_path)
    student = {"label": "90M", "folder": name, "budget_macs": 1, "macs": 1, "step": 1, "seconds": 1.0}
    student |= {"accuracy_held_out": 50.0, "accuracy_test": 50.0}
    manifest = {"schema": 1, "kind": "search", "status": "complete", "configuration": {}, "facts": {}}
    (run / "manifest.json").write_text(json.dumps({**manifest, "results": {"students": [student]}}))
    for read in (lambda: locate_student(run, None), lambda: report_json(run)):
        with pytest.raises(StudentSearchError, match=r"names '.*'; expected a path inside .*run; copy the run"):
            read()


def test_paths_inside_are_taken(tmp_path: Path) -> None:
    assert path_inside(tmp_path, "students/90M", source="manifest.json") == tmp_path / "students" / "90M"
    with pytest.raises(RunFolderError, match=r"^manifest\.json names '\.\.'"):
        path_inside(tmp_path, "..", source="manifest.json")
