"""The same facts as pandas tables, and as CSV files beside the run."""

import io
from pathlib import Path

import pandas as pd

from studentsearch.errors import DiskError
from studentsearch.report.facts import StudentFacts, read_student
from studentsearch.report.run_facts import SearchFacts, is_student_folder, read_run, read_search
from studentsearch.runs.manifest import MANIFEST_NAME, Manifest, read_manifest
from studentsearch.runs.metrics import METRICS_NAME, read_course

STUDENT_FOLDER = "student"
CHARTED = {
    "search": ("macs", "kl"),
    "distill": ("loss", "knowledge", "tau", "beta", "accuracy_held_out"),
    "teach": ("loss", "accuracy_held_out"),
}


def blocks_frame(student: StudentFacts) -> pd.DataFrame:
    """One row a block: readers, input channels, drop ratios, multiply-accumulates.

    Args:
        student: A student's facts.

    Returns:
        Columns block, readers, inputs, kept_inputs, drop_ratio, connections_drop_ratio, channels_drop_ratio,
        macs_before, macs_after; a ratio that does not exist is missing.
    """
    columns = ["block", "readers", "inputs", "kept_inputs", "drop_ratio"]
    columns += ["connections_drop_ratio", "channels_drop_ratio", "macs_before", "macs_after"]
    rows = [
        (
            block.name,
            len(block.readers),
            block.inputs,
            block.kept_inputs,
            block.drop_ratio,
            block.connections_drop_ratio,
            block.channels_drop_ratio,
            block.macs_before,
            block.macs_after,
        )
        for block in student.blocks
    ]
    return pd.DataFrame(rows, columns=columns)


def readers_frame(student: StudentFacts) -> pd.DataFrame:
    """One row a convolution or linear layer.

    Args:
        student: A student's facts.

    Returns:
        Columns block, path, state (whole, cut, one channel, removed), groups, inputs, kept_inputs, outputs,
        kept_outputs, drop_ratio, macs_before, macs_after.
    """
    columns = ["block", "path", "state", "groups", "inputs", "kept_inputs", "outputs", "kept_outputs"]
    columns += ["drop_ratio", "macs_before", "macs_after"]
    rows = [
        (
            block.name,
            reader.path,
            reader.state,
            reader.groups,
            reader.inputs,
            reader.kept_inputs,
            reader.outputs,
            reader.kept_outputs,
            reader.drop_ratio,
            reader.macs_before,
            reader.macs_after,
        )
        for block in student.blocks
        for reader in block.readers
    ]
    return pd.DataFrame(rows, columns=columns)


def connections_frame(student: StudentFacts) -> pd.DataFrame:
    """One row a connection: a reader and one producer whose channels it read.

    Args:
        student: A student's facts.

    Returns:
        Columns block, reader, source, channels, kept, drop_ratio.
    """
    rows = [
        (block.name, reader.path, source.path, source.channels, source.kept, source.drop_ratio)
        for block in student.blocks
        for reader in block.readers
        for source in reader.sources
    ]
    return pd.DataFrame(rows, columns=["block", "reader", "source", "channels", "kept", "drop_ratio"])


def sums_frame(student: StudentFacts) -> pd.DataFrame:
    """One row a branch of a sum.

    Args:
        student: A student's facts.

    Returns:
        Columns block, sum, after, channels, kept, drop_ratio, branch, is_removed.
    """
    rows = [
        (block.name, added.name, added.after, added.channels, added.kept, added.drop_ratio, end.path, end.is_removed)
        for block in student.blocks
        for added in block.sums
        for end in added.branches
    ]
    columns = ["block", "sum", "after", "channels", "kept", "drop_ratio", "branch", "is_removed"]
    return pd.DataFrame(rows, columns=columns)


def students_frame(search: SearchFacts) -> pd.DataFrame:
    """One row a budget that a search met.

    Args:
        search: The results of a search.

    Returns:
        Columns label, budget_macs, macs, step, seconds, accuracy_held_out, accuracy_test (percent).
    """
    columns = ["label", "budget_macs", "macs", "step", "seconds", "accuracy_held_out", "accuracy_test"]
    return pd.DataFrame(
        [[getattr(student, column) for column in columns] for student in search.students], columns=columns
    )


_STUDENT_FRAMES = {
    "blocks": blocks_frame,
    "readers": readers_frame,
    "connections": connections_frame,
    "sums": sums_frame,
}


def course_frame(path: Path) -> pd.DataFrame:
    """The course of a run, one row a step that was logged.

    Args:
        path: A run folder.

    Returns:
        The columns of metrics.csv, all numbers; empty where nothing was logged yet.

    Raises:
        InputFileError: metrics.csv was changed, or is no table of numbers with a column "step"; put it back.
    """
    sha256 = read_manifest(path).files.get(METRICS_NAME) if (path / MANIFEST_NAME).is_file() else None
    text = read_course(path / METRICS_NAME, sha256=sha256)
    return pd.read_csv(io.StringIO(text)) if text.count("\n") > 1 else pd.DataFrame()


def student_folders(path: Path, manifest: Manifest) -> dict[str, Path]:
    """The students that a run wrote.

    Args:
        path: A run folder.
        manifest: Its manifest.

    Returns:
        Label to folder: the budget for a search's students, "student" for a distilled one.
    """
    if manifest.kind == "search":
        return {student.label: student.folder for student in read_search(path, manifest).students}
    return {STUDENT_FOLDER: path / STUDENT_FOLDER} if is_student_folder(path / STUDENT_FOLDER) else {}


def write_csv(path: Path) -> tuple[Path, ...]:
    """Write the tables of a run or student as CSV files into its folder `report`.

    Args:
        path: A run folder or a student folder.

    Returns:
        The files written: blocks.csv, readers.csv, connections.csv and sums.csv, with a column "student" in front,
        and students.csv for a search.

    Raises:
        DiskError: The folder cannot be written; free space or permission there.
    """
    tables: dict[str, pd.DataFrame] = {}
    if is_student_folder(path):
        folders = {path.resolve().name: path}
    else:
        manifest = read_run(path)
        folders = student_folders(path, manifest)
        if manifest.kind == "search":
            tables["students"] = students_frame(read_search(path, manifest))
    students = {label: read_student(folder) for label, folder in folders.items()}
    for name, frame in _STUDENT_FRAMES.items():
        parts = [frame(student).assign(student=label) for label, student in students.items()]
        if parts:
            tables[name] = pd.concat(parts).set_index("student").reset_index()
    target = path / "report"
    try:
        target.mkdir(exist_ok=True)
        for name, table in tables.items():
            table.to_csv(target / f"{name}.csv", index=False)
    except OSError as error:
        raise DiskError(f"cannot write {target}: {error.strerror}; free space or permission there") from error
    return tuple(target / f"{name}.csv" for name in tables)
