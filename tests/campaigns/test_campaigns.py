"""A part of every campaign over runs on disk."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from checkpoint_damage import changed_runs, newest_runs
from interruptions import PLANS, full_disks, killed_going_back, signalled
from run_files import continued, shown
from small_runs import begin, ended

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
TEACH = ("teach",)
EVERY = ("teach", "distill", "search")


def test_changed_checkpoints_lead_to_no_other_result(tmp_path: Path) -> None:
    assert changed_runs(tmp_path, count=4, seed=1, kinds=TEACH) == []


@pytest.mark.parametrize("name", ["manifest.json", "metrics.csv"])
def test_changed_files_show_no_other_figures(name: str, tmp_path: Path) -> None:
    assert shown(tmp_path, name=name, count=3, seed=1, kinds=TEACH) == []


def test_a_killed_run_continues(tmp_path: Path) -> None:
    assert signalled(tmp_path, replace(PLANS[0], count=1), seed=1, kinds=TEACH, steps=20) == []


def test_a_run_on_a_full_disk_continues(tmp_path: Path) -> None:
    assert full_disks(tmp_path, count=1, seed=1, kinds=TEACH, disk=None) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_right_at_the_start_leaves_no_traceback(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = begin(["--version"], log)
    os.kill(process, number)
    assert ended(process) == 128 + number
    # Before or after the command line was imported, which is what says the word.
    assert log.read_text() in ("", "studentsearch: interrupted\n")


def test_a_run_killed_while_it_goes_back_continues(tmp_path: Path) -> None:
    assert killed_going_back(tmp_path, events=(5,), seed=1, kinds=("search back",)) == []


@pytest.mark.slow
def test_a_tenth_of_the_changed_checkpoints(tmp_path: Path) -> None:
    assert changed_runs(tmp_path / "a", count=60, seed=2, kinds=EVERY) == []
    assert newest_runs(tmp_path / "b", count=12, seed=2, kinds=EVERY) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["manifest.json", "metrics.csv"])
def test_a_tenth_of_the_changed_files(name: str, tmp_path: Path) -> None:
    assert shown(tmp_path / "a", name=name, count=30, seed=2, kinds=EVERY) == []
    assert continued(tmp_path / "b", name=name, count=6, seed=2, kinds=EVERY) == []


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_tenth_of_the_interruptions(plan, tmp_path: Path) -> None:
    assert signalled(tmp_path, replace(plan, count=plan.count // 10), seed=2, kinds=EVERY) == []


@pytest.mark.slow
def test_a_tenth_of_the_full_disks(tmp_path: Path) -> None:
    assert full_disks(tmp_path, count=3, seed=2, kinds=EVERY, disk=None) == []
