"""A comparison as pandas tables, CSV files and JSON values."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from studentsearch.errors import DiskError
from studentsearch.report.comparison_facts import Comparison, RunGroup, Spread
from studentsearch.report.comparison_groups import read_comparison
from studentsearch.report.comparison_runs import FinishedRun, Task, UnfinishedRun
from studentsearch.report.run_facts import ReachedFacts
from studentsearch.runs.files import JsonValue

_COUNTS = ("stage", "parameters", "macs")  # whole numbers also where some are missing


def compare(*folders: str | Path) -> pd.DataFrame:
    """The table that `studentsearch report` shows of several runs: a row for runs that differ in their seed alone.

    Args:
        folders: Run folders, or folders of runs such as a study's.

    Returns:
        Method, networks, counts, and of the test images `top1_last_mean`, its deviation and the gain over the student
        alone, in percent and points; likewise of the epoch that was best on the held-out images.
    """
    return groups_frame(read_comparison([Path(folder) for folder in folders]))


def groups_frame(comparison: Comparison) -> pd.DataFrame:
    """One row a group.

    Args:
        comparison: The facts.

    Returns:
        Columns what, kind, method, student, teachers, via, stage, epochs, parameters, macs, milliseconds_per_image,
        runs, seeds, top1_last_mean, top1_last_deviation, top1_best_mean, top1_best_deviation, gain_last, gain_best;
        accuracies in percent, gains in percentage points.
    """
    return _frame([_group_row(group) for group in comparison.groups])


def runs_frame(comparison: Comparison) -> pd.DataFrame:
    """One row a finished run.

    Args:
        comparison: The facts.

    Returns:
        Columns path, what (as of its group), kind, method, student, teachers, via, seed, epochs, parameters, macs,
        milliseconds_per_image, top1_last, held_out_last, epoch_best, top1_best, held_out_best; accuracies in percent.
    """
    return _frame([_run_row(run, group.what) for group in comparison.groups for run in group.runs])


def _frame(rows: Sequence[dict[str, JsonValue]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame.astype({column: "Int64" for column in _COUNTS if column in frame})


def _group_row(group: RunGroup) -> dict[str, JsonValue]:
    return {
        "what": group.what,
        **_task_row(group.task),
        "stage": group.stage,
        "epochs": group.epochs,
        "parameters": group.parameters,
        "macs": group.macs,
        "milliseconds_per_image": group.milliseconds_per_image,
        "runs": len(group.runs),
        "seeds": " ".join(str(run.task.seed) for run in group.runs),
        **_spread_row("top1_last", group.top1_last),
        **_spread_row("top1_best", group.top1_best),
        "gain_last": group.gain_last,
        "gain_best": group.gain_best,
    }


def _task_row(task: Task) -> dict[str, JsonValue]:
    return {
        "kind": task.kind,
        "method": task.method,
        "student": task.student,
        "teachers": task.teachers_words,
        "via": task.via,
    }


def _spread_row(name: str, spread: Spread | None) -> dict[str, JsonValue]:
    return {
        f"{name}_mean": spread.mean if spread else None,
        f"{name}_deviation": spread.deviation if spread else None,
    }


def _run_row(run: FinishedRun, what: str) -> dict[str, JsonValue]:
    unknown = ReachedFacts(epoch=None, step=None, accuracy_test=None, accuracy_held_out=None)
    last, best = run.last or unknown, run.best or unknown
    return {
        "path": str(run.path),
        "what": what,
        **_task_row(run.task),
        "seed": run.task.seed,
        "epochs": last.epoch,
        "parameters": run.parameters,
        "macs": run.macs,
        "milliseconds_per_image": run.milliseconds_per_image,
        "top1_last": last.accuracy_test,
        "held_out_last": last.accuracy_held_out,
        "epoch_best": best.epoch,
        "top1_best": best.accuracy_test,
        "held_out_best": best.accuracy_held_out,
    }


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


def _group_json(group: RunGroup) -> dict[str, JsonValue]:
    teachers = list(group.task.teachers)
    return {
        **_group_row(group),
        "teachers": teachers,
        "seeds": [run.task.seed for run in group.runs],
        "runs": [{**_run_row(run, group.what), "teachers": teachers} for run in group.runs],
    }


def _unfinished_json(run: UnfinishedRun) -> dict[str, JsonValue]:
    return {
        "path": str(run.path),
        "what": run.task.what,
        **_task_row(run.task),
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
