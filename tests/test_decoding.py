import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from studentsearch.decoding import decode_json, read_json, read_regular_file
from studentsearch.errors import InputFileError, RunFolderError

CURE = "copy it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    name: str
    count: Annotated[int, msgspec.Meta(ge=0)]


def test_typed_facts_come_back(tmp_path: Path) -> None:
    file = tmp_path / "pair.json"
    file.write_text('{"name": "a", "count": 3, "later": true}')
    assert read_json(file, Pair, cure=CURE) == Pair(name="a", count=3)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"name": "a"}',
        '{"name": "a", "count": -1}',
        '{"name": "a", "count": 1.5}',
        '{"name": 1, "count": 1}',
        '{"name": "a", "count": NaN}',
        b'{"name": "\xff", "count": 1}',
        '{"name": ' + "[" * 100_000,
        '{"name": "a", "count": ' + "9" * 5_000 + "}",
    ],
)
def test_another_form_is_one_line_with_its_cure(content: str | bytes) -> None:
    with pytest.raises(RunFolderError, match=r"^pair\.json: .*; copy it again$") as caught:
        decode_json(content, Pair, source="pair.json", cure=CURE, error_class=RunFolderError)
    assert "\n" not in str(caught.value)


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("large")
    with pytest.raises(InputFileError, match="not a regular file"):
        read_regular_file(tmp_path / "pipe", max_bytes=9, cure=CURE)
    with pytest.raises(InputFileError, match="not a regular file"):
        read_regular_file(tmp_path, max_bytes=9, cure=CURE)
    with pytest.raises(InputFileError, match="No such file"):
        read_regular_file(tmp_path / "none", max_bytes=9, cure=CURE)
    with pytest.raises(InputFileError, match="has 5 bytes; expected at most 4"):
        read_regular_file(tmp_path / "large", max_bytes=4, cure=CURE)
    assert read_regular_file(tmp_path / "link", max_bytes=5, cure=CURE) == b"12345"
