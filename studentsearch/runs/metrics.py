"""The course of a run as a table on disk: metrics.csv, one row a step that was logged."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from studentsearch.errors import RunFolderError
from studentsearch.runs.files import disk_error, write_text

METRICS_NAME = "metrics.csv"

MetricValue = float | int | str | None


class MetricsFile:
    """Appends rows under one header, and cuts rows off where a run continues."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is read or written yet.

        Args:
            path: The CSV file.
        """
        self.path = path
        self._columns: list[str] | None = None

    def append(self, row: Mapping[str, MetricValue]) -> None:
        """Write one row and hand it to the operating system.

        Args:
            row: Column to value; the first row of the file fixes the columns, None is an empty cell.

        Raises:
            ValueError: The columns are not those of the first row.
            DiskError: The file cannot be written; free space or choose another folder.
        """
        columns = self._columns or self._header()
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                if not columns:
                    columns = list(row)
                    writer.writerow(columns)
                if set(row) != set(columns):
                    raise ValueError(f"metrics row has columns {list(row)}, the file has {columns}")
                writer.writerow([row[column] for column in columns])
        except OSError as error:
            raise disk_error(self.path, error) from error
        self._columns = columns

    def cut(self, *, after_step: int) -> None:
        """Drop the rows after a step, and a last row that a crash left half written.

        Args:
            after_step: Rows whose column "step" is greater go.

        Raises:
            RunFolderError: The file has no column "step" or a row without a step; choose another folder.
        """
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        rows = list(csv.reader(whole))
        kept = io.StringIO()
        writer = csv.writer(kept, lineterminator="\n")
        if rows:
            position = self._step_column(rows[0])
            writer.writerow(rows[0])
            writer.writerows(row for row in rows[1:] if self._step(row, position) <= after_step)
        write_text(self.path, kept.getvalue())
        self._columns = None

    def _header(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), [])

    def _step_column(self, header: list[str]) -> int:
        if "step" not in header:
            raise RunFolderError(f"{self.path} has no column 'step' but {header}; expected one; choose another --out")
        return header.index("step")

    def _step(self, row: list[str], position: int) -> int:
        try:
            return int(row[position])
        except (IndexError, ValueError) as error:
            raise RunFolderError(
                f"{self.path} has the row {','.join(row)!r}; expected a whole step number; choose another --out"
            ) from error
