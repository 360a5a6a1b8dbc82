"""The library's face holds what it lists, and answers as the commands do."""

import inspect
from pathlib import Path

import pytest

import studentsearch
from studentsearch import api
from studentsearch.errors import InputFileError, RunFolderError


def test_every_listed_name_is_there_and_explained():
    for name in api.__all__:
        assert inspect.getdoc(getattr(api, name)), name
    assert api.load is studentsearch.load


@pytest.mark.parametrize(
    ("name", "macs"), [("densenet_digits", 1_123_888), pytest.param("densenet", 287_929_692, marks=pytest.mark.slow)]
)
def test_count_knows_the_published_figure(name: str, macs: int):
    assert api.count(name, num_classes=10).macs == macs


def test_folders_of_another_form_are_refused(tmp_path: Path):
    with pytest.raises(InputFileError, match="not a student folder"):
        studentsearch.load(tmp_path)
    with pytest.raises(RunFolderError, match="is no run and no student"):
        api.report(tmp_path)
