"""A comparison as pandas tables, CSV files and JSON values."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from studentsearch.decoding import JsonValue
from studentsearch.errors import DiskError
from studentsearch.report.comparison_facts import Comparison, RunGroup
from studentsearch.report.comparison_groups import read_comparison
from studentsearch.report.comparison_runs import FinishedRun, Task, UnfinishedRun

_COUNTS = ("stage", "parameters", "macs")  # whole numbers also where some are missing
_Facts = TypeVar("_Facts", Task, RunGroup, FinishedRun)
_Row = dict[str, JsonValue]

_TASK: Mapping[str, Callable[[Task], JsonValue]] = {
    "kind": lambda task: task.kind,
    "method": lambda task: task.method,
    "student": lambda task: task.student,
    "teachers": lambda task: task.teachers_words,
    "via": lambda task: task.via,
}
_GROUP: Mapping[str, Callable[[RunGroup], JsonValue]] = {
    "stage": lambda group: group.stage,
    "epochs": lambda group: group.epochs,
    "parameters": lambda group: group.network.parameters,
    "macs": lambda group: group.network.macs,
    "milliseconds_per_image": lambda group: group.milliseconds_per_image,
    "runs": lambda group: len(group.runs),
    "seeds": lambda group: " ".join(str(run.task.seed) for run in group.runs),
    "top1_last_mean": lambda group: group.top1_last.mean,
    "top1_last_std": lambda group: group.top1_last.std,
    "top1_best_mean": lambda group: group.top1_best.mean,
    "top1_best_std": lambda group: group.top1_best.std,
    "gain_last": lambda group: group.gain_last,
    "gain_best": lambda group: group.gain_best,
}
_RUN: Mapping[str, Callable[[FinishedRun], JsonValue]] = {
    "seed": lambda run: run.task.seed,
    "epochs": lambda run: run.results.last.epoch,
    "parameters": lambda run: run.network.parameters,
    "macs": lambda run: run.network.macs,
    "milliseconds_per_image": lambda run: run.results.milliseconds_per_image,
    "top1_last": lambda run: run.results.last.accuracy_test,
    "held_out_last": lambda run: run.results.last.accuracy_held_out,
    "epoch_best": lambda run: run.results.best.epoch,
    "top1_best": lambda run: run.results.best.accuracy_test,
    "held_out_best": lambda run: run.results.best.accuracy_held_out,
}


def compare(*folders: str | Path) -> pd.DataFrame:
    """The table that `studentsearch report` shows of several runs: a row for runs that differ in their seed alone.

    Args:
        folders: Run folders, or folders of runs such as a study's.

    Returns:
        Method, networks, counts, and of the test images `top1_last_mean`, its standard deviation and the gain over the
        student alone, in percent and points; likewise of the epoch that was best on the held-out images.
    """
    return groups_frame(read_comparison([Path(folder) for folder in folders]))


def groups_frame(comparison: Comparison) -> pd.DataFrame:
    """One row a group: what it is called, what was asked for, and what it reached in percent and percentage points."""
    return _frame([_group_row(group) for group in comparison.groups])


def runs_frame(comparison: Comparison) -> pd.DataFrame:
    """One row a finished run: path, what its group is called, what was asked for, and what it reached in percent."""
    return _frame([_run_row(run, group.what) for group in comparison.groups for run in group.runs])


def _frame(rows: Sequence[_Row]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame.astype({column: "Int64" for column in _COUNTS if column in frame})


def _row(table: Mapping[str, Callable[[_Facts], JsonValue]], facts: _Facts) -> _Row:
    return {name: value(facts) for name, value in table.items()}


def _group_row(group: RunGroup) -> _Row:
    return {"what": group.what, **_row(_TASK, group.task), **_row(_GROUP, group)}


def _run_row(run: FinishedRun, what: str) -> _Row:
    return {"path": str(run.path), "what": what, **_row(_TASK, run.task), **_row(_RUN, run)}


def comparison_json(comparison: Comparison) -> dict[str, JsonValue]:
    """The facts of a comparison as JSON values.

    Args:
        comparison: The facts.

    Returns:
        kind "comparison"; groups as `groups_frame` has them, with teachers and seeds as lists and their runs as
        `runs_frame` has them; the unfinished runs with unit, done and total.
    """
    return {
        "kind": "comparison",
        "groups": [_group_json(group) for group in comparison.groups],
        "unfinished": [_unfinished_json(run) for run in comparison.unfinished],
    }


def _group_json(group: RunGroup) -> _Row:
    teachers = list(group.task.teachers)
    return {
        **_group_row(group),
        "teachers": teachers,
        "seeds": [run.task.seed for run in group.runs],
        "runs": [{**_run_row(run, group.what), "teachers": teachers} for run in group.runs],
    }


def _unfinished_json(run: UnfinishedRun) -> _Row:
    return {
        "path": str(run.path),
        "what": run.task.what,
        **_row(_TASK, run.task),
        "teachers": list(run.task.teachers),
        "seed": run.task.seed,
        "unit": run.unit,
        "done": run.done,
        "total": run.total,
    }


def write_comparison_csv(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write a comparison as comparison.csv, one row a group, and comparison_runs.csv, one row a finished run.

    Args:
        comparison: The facts.
        folder: An existing folder.

    Returns:
        The two files.

    Raises:
        DiskError: The folder cannot be written; free space or permission there.
    """
    files = (folder / "comparison.csv", folder / "comparison_runs.csv")
    try:
        for file, frame in zip(files, (groups_frame(comparison), runs_frame(comparison)), strict=True):
            frame.to_csv(file, index=False)
    except OSError as error:
        raise DiskError(f"cannot write {folder}: {error.strerror}; free space or permission there") from error
    return files
