"""The course of a run for TensorBoard: every column of metrics.csv as a scalar over the steps."""

from pathlib import Path

from studentsearch.errors import DiskError, UsageError
from studentsearch.report.course import all_series
from studentsearch.report.run_facts import read_course_rows, read_run

_EVENTS = "events.out.tfevents.*"


def write_tensorboard(path: Path, folder: Path) -> None:
    """Write the course of a run as TensorBoard events; show them with `tensorboard --logdir FOLDER`.

    Args:
        path: A run folder.
        folder: Where the events go; made if missing.

    Raises:
        UsageError: TensorBoard is not installed, or the folder holds events already.
        DiskError: The folder cannot be written; free space or permission there.
    """
    try:
        from tensorboard.summary import Writer
    except ImportError as error:
        raise UsageError(
            f"{error.name} is not installed; install the extra: pip install 'studentsearch[tensorboard]'"
        ) from error
    course = read_course_rows(path, read_run(path))
    if any(folder.glob(_EVENTS)):
        raise UsageError(f"{folder} holds TensorBoard events already; expected a folder without; choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writer = Writer(str(folder))
        for series in all_series(course):
            for step, value in zip(series.steps, series.values, strict=True):
                writer.add_scalar(series.column, value, step)
        writer.close()
    except OSError as error:
        raise DiskError(f"cannot write {folder}: {error.strerror}; free space or permission there") from error
