"""What a user's word for a model means."""

from pathlib import Path

import pytest

from studentsearch.models.reference import ModelReference, parse_model
from studentsearch.records.names import CONFIG_NAME, WEIGHTS_NAME


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("resnet20", ModelReference(name="resnet20", kind="registry")),
        ("no_such_network", ModelReference(name="no_such_network", kind="registry")),
        ("python:nets:make", ModelReference(name="python:nets:make", kind="function")),
        (
            "torchvision:resnet18",
            ModelReference(name="torchvision:resnet18", kind="library", library="torchvision", network="resnet18"),
        ),
        ("timm:a.b", ModelReference(name="timm:a.b", kind="library", library="timm", network="a.b")),
        ("keras:resnet18", ModelReference(name="keras:resnet18", kind="registry")),
    ],
)
def test_words_are_told_apart(word: str, expected: ModelReference) -> None:
    assert parse_model(word) == expected
    assert not parse_model(word).is_found


def test_folders_come_before_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run", "resnet20", "student", "resnet8"):
        Path(name).mkdir()
    for name in ("student", "resnet8"):
        for file in (CONFIG_NAME, WEIGHTS_NAME):
            (Path(name) / file).touch()
    kinds = {name: parse_model(name).kind for name in ("run", "resnet20", "student", "resnet8")}
    assert kinds == {"run": "folder", "resnet20": "registry", "student": "student", "resnet8": "student"}
    assert [name for name in kinds if parse_model(Path(name)).is_found] == ["run", "student", "resnet8"]
