"""A tenth of the campaign of hostile student folders; `tests/campaigns/hostile_students.py` runs all of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns.hostile_folders import HOSTILE
from campaigns.hostile_students import change_failures, hostile_failures, scene

_SHARE = 10


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with scene(tmp_path_factory.mktemp("hostile")) as folder:
        yield folder


def test_no_hostile_folder_runs_code_or_crashes_a_command() -> None:
    cases = [case for case in HOSTILE[::_SHARE] if not case.is_loaded]
    assert hostile_failures(cases, ("count", "export", "report")) == []


def test_foreign_text_is_shown_escaped_and_foreign_functions_are_not_called() -> None:
    cases = [case for case in HOSTILE if case.is_loaded]
    assert len(cases) >= 6
    assert hostile_failures(cases, ("report",)) == []
    assert hostile_failures([case for case in cases if "python:" in case.name], ("evaluate",)) == []


def test_no_change_of_the_facts_is_taken() -> None:
    assert change_failures(30, seed=1) == []
