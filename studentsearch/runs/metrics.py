"""The course of a run as a table on disk: metrics.csv, one row a step that was logged, each step once."""

import csv
import hashlib
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studentsearch.decoding import read_regular_file
from studentsearch.disk import disk_error, open_own
from studentsearch.errors import InputFileError

MAX_BYTES = 1 << 30
_NOT_FINITE = ("nan", "inf", "-inf")
_MOST_DIGITS = 18  # what an int64 holds for sure
PUT_BACK = "put the file back from a copy, or run the same command with another --out"

MetricValue = float | int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsMark:
    """How far the file had come at some moment, and the hash of it until there."""

    num_bytes: int
    sha256: str


class MetricsFile:
    """Appends rows under one header, and goes back to where it was when a checkpoint was written."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is read or written yet.

        Args:
            path: The CSV file.
        """
        self.path = path
        self._columns: list[str] = []
        self._digest = hashlib.sha256()
        self._num_bytes = 0
        self._is_longer = False

    def append(self, row: Mapping[str, MetricValue]) -> None:
        """Write one row and hand it to the operating system.

        Args:
            row: Column to value; the first row of the file fixes the columns, None is an empty cell.

        Raises:
            ValueError: The columns are not those of the first row.
            DiskError: The file cannot be written; free space or choose another folder.
        """
        columns = self._columns or list(row)
        if set(row) != set(columns):
            raise ValueError(f"metrics row has columns {list(row)}, the file has {columns}")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not self._columns:
            writer.writerow(columns)
        writer.writerow([row[column] for column in columns])
        content = text.getvalue().encode()
        try:
            with open_own(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, "ab") as file:
                if self._is_longer:
                    file.truncate(self._num_bytes)
                file.write(content)
        except OSError as error:
            raise disk_error(self.path, error) from error
        self._columns, self._is_longer = columns, False
        self._digest.update(content)
        self._num_bytes += len(content)

    def mark(self) -> MetricsMark:
        """See the rows on the disk.

        Returns:
            Where the file stands now.

        Raises:
            DiskError: The file cannot be written; free space or choose another folder.
        """
        if self._num_bytes:
            try:
                with open_own(self.path, os.O_WRONLY, "wb") as file:
                    os.fsync(file.fileno())
            except OSError as error:
                raise disk_error(self.path, error) from error
        return MetricsMark(num_bytes=self._num_bytes, sha256=self._digest.hexdigest())

    def rewind(self, *, after_step: int) -> None:
        """Forget the rows after a step; they leave the disk with the next row that is written.

        Until then a checkpoint that was written with those rows can still be continued from.

        Args:
            after_step: Rows of later steps are forgotten.

        Raises:
            InputFileError: The file was changed meanwhile; put it back from a copy.
        """
        content = read_regular_file(self.path, max_bytes=MAX_BYTES, cure=PUT_BACK) if self._num_bytes else b""
        content = content[: self._num_bytes]
        if hashlib.sha256(content).digest() != self._digest.digest():
            raise InputFileError(f"{self.path} was changed while the run went on; {PUT_BACK}")
        header, *rows = content.splitlines(keepends=True) or [b""]
        position = self._columns.index("step") if rows else 0
        kept = [row for row in rows if int(row.split(b",")[position]) <= after_step]
        # Without a row there is no header either: what is appended next may have other columns.
        text = b"".join([header, *kept]) if kept else b""
        self._columns = self._columns if kept else []
        self._digest, self._num_bytes, self._is_longer = hashlib.sha256(text), len(text), True

    def go_back(self, mark: MetricsMark | None) -> None:
        """Drop what was written after a mark: whole rows, and one that a crash or a full disk left half written.

        Args:
            mark: Where the file is to stand; None for an empty file.

        Raises:
            InputFileError: What was written before the mark is gone or was changed; put it back from a copy.
            DiskError: The file cannot be written.
        """
        num_bytes = 0 if mark is None else mark.num_bytes
        kept = b""
        if num_bytes:
            content = read_regular_file(self.path, max_bytes=MAX_BYTES, cure=PUT_BACK)
            kept = content[:num_bytes]
            if mark is None or hashlib.sha256(kept).hexdigest() != mark.sha256:
                raise InputFileError(
                    f"{self.path} was changed: its rows are not those that the checkpoint was written with; {PUT_BACK}"
                )
        if self.path.is_symlink() or self.path.exists():
            try:
                with open_own(self.path, os.O_WRONLY, "wb") as file:
                    file.truncate(num_bytes)
            except OSError as error:
                raise disk_error(self.path, error) from error
        self._columns = next(csv.reader(io.StringIO(kept.decode(errors="replace"))), [])
        self._digest = hashlib.sha256(kept)
        self._num_bytes, self._is_longer = num_bytes, False


def read_course(path: Path, *, sha256: str | None) -> str:
    """The text of a run's metrics.csv, checked: numbers under a header, steps that only grow.

    Args:
        path: The file.
        sha256: Its hash as the manifest of a complete run has it; None where it is not known, as while the run goes
            on: a last row that a crash left half written is not read then.

    Returns:
        Whole rows of CSV; empty where nothing was logged yet.

    Raises:
        InputFileError: The file is gone, damaged or changed; put it back from a copy.
    """
    if sha256 is None and not path.exists():
        return ""
    content = read_regular_file(path, max_bytes=MAX_BYTES, cure=PUT_BACK)
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise InputFileError(f"{path} was changed after the run ended: its SHA-256 is another one; {PUT_BACK}")
    try:
        text = content[: content.rfind(b"\n") + 1].decode()
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (ValueError, csv.Error) as error:
        raise InputFileError(f"{path} cannot be read: {error}; expected one table of numbers; {PUT_BACK}") from error
    problem = _problem(rows) if rows else None
    if problem is not None:
        raise InputFileError(f"{path} has {problem}; expected numbers and a column 'step' that only grows; {PUT_BACK}")
    return text


def _problem(rows: Sequence[Sequence[str]]) -> str | None:
    """What is wrong with a table, header first; None where nothing is."""
    header = rows[0]
    if "step" not in header:
        return f"no column 'step' but {', '.join(header)!r:.80}"
    if len(set(header)) != len(header) or not all(header):
        return "two columns of one name or one without a name"
    last_step, position = 0, header.index("step")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            return f"{len(row)} cells in row {number} and {len(header)} columns"
        for column, cell in zip(header, row, strict=True):
            if cell and not _is_number(cell):
                return f"words in column {column!r}"
        if not _is_whole(row[position]) or int(row[position]) <= last_step:
            return f"step {row[position]!r:.40} in row {number} after step {last_step}"
        last_step = int(row[position])
    return None


def _is_whole(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) <= _MOST_DIGITS


def _is_number(cell: str) -> bool:
    if cell in _NOT_FINITE:
        return True
    try:
        return cell.isascii() and "_" not in cell and cell == cell.strip() and math.isfinite(float(cell))
    except ValueError:
        return False
