"""What guards an artifact raises, also under `python -O`, which drops every assert."""

import ast
from pathlib import Path

import pytest
import torch
from campaigns.hostile_folders import write_good

import studentsearch
from studentsearch.errors import ProofError
from studentsearch.jobs import export as export_job
from studentsearch.jobs.export import export

PACKAGE = Path(studentsearch.__file__).parent
GUARDS = ("student/check.py", "student/folder.py", "student/trial.py", "student/wellformed.py", "student/plain.py")


@pytest.mark.parametrize("file", [*GUARDS, "jobs/export.py", "jobs/snapshot.py", "records/student.py", "decoding.py"])
def test_no_proof_is_an_assertion(file: str) -> None:
    tree = ast.parse((PACKAGE / file).read_text())
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] == []


def test_an_export_that_answers_otherwise_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_good(tmp_path)
    monkeypatch.setattr(export_job, "_pt2", lambda _, images: (b"archive", torch.ones(len(images), 10)))
    with pytest.raises(
        ProofError, match=r"the exported file differs from .* of the largest logit; expected at most 1e-04"
    ):
        export(tmp_path, "pt2")
    assert not (tmp_path / "model.pt2").exists()
