"""What a search run's manifest may make `distill` and `report` read: data, and nothing but data."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns.hostile_folders import ORIGIN
from campaigns.hostile_students import CANARY, scene

from studentsearch.cli.main import main
from studentsearch.data.sources import open_dataset
from studentsearch.records.student import StudentFacts
from studentsearch.student.folder import read_student, write_student
from studentsearch.student.slice import Cut

TEACHER: Mapping[str, object] = {"weights": None, "data_root": None, "image_size": None}
COMMAND = ("--steps", "1", "--batch", "16", "--out", "out", "--device", "cpu", "--threads", "1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A search run that is as it should be but for its manifest."""
    with scene(tmp_path_factory.mktemp("runs")) as folder:
        stored = read_student(Path("good"))
        record = StudentFacts(
            origin=replace(ORIGIN, data_sha256=open_dataset("digits").fingerprint),
            counts=stored.config.counts,
            teacher_counts=stored.config.teacher_counts,
            check=stored.config.check,
            blocks=(),
        )
        write_student(Path("run/students/90M"), Cut(spec=stored.spec, tensors=stored.module.state_dict()), record)
        os.mkfifo("pipe.pth")
        os.mkfifo("pipe.safetensors")
        yield folder


def write_manifest(
    teacher: object, data: object, students: object = ({"label": "90M", "folder": "students/90M"},)
) -> None:
    manifest = {
        "schema": 1,
        "kind": "search",
        "status": "complete",
        "configuration": {"data": data},
        "facts": {"teacher": teacher},
        "results": {"students": students},
    }
    Path("run/manifest.json").write_text(json.dumps(manifest))


AUGMENT = {"augment": "none"}


@pytest.mark.parametrize(
    ("teacher", "data"),
    [
        *(
            ({**TEACHER, "weights": weights}, AUGMENT)
            for weights in ("evil.pt", "pipe.pth", "pipe.safetensors", "/dev/zero", "a\0b", 3)
        ),
        ({**TEACHER, "image_size": -8}, AUGMENT),
        ({"weights": None}, AUGMENT),
        (None, AUGMENT),
        (TEACHER, None),
        (TEACHER, {"augment": "\x1b[2Jevil"}),
    ],
    ids=lambda value: str(value)[:60].encode("unicode_escape").decode(),
)
def test_a_manifest_names_data_only(
    teacher: object, data: object, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place == Path.cwd()
    write_manifest(teacher, data)
    code = main(["distill", "run", *COMMAND])
    (line,) = capsys.readouterr().err.splitlines()
    assert code in {2, 5, 7}, line
    assert line.startswith("studentsearch: error: ")
    assert line.isprintable()
    assert not Path(CANARY).exists()
    assert not Path("out").exists()
