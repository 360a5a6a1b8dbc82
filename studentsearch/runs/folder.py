"""One run on disk: made or continued, locked while it is open, everything in it replaced whole."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from studentsearch.errors import InputFileError, RunFolderError, RunInUseError
from studentsearch.runs.files import JsonValue, disk_error
from studentsearch.runs.manifest import MANIFEST_NAME, Manifest, read_manifest, require_same_run, write_manifest
from studentsearch.runs.metrics import METRICS_NAME, MetricsFile, MetricValue
from studentsearch.runs.tensors import load_metadata, load_tensors, save_tensors

CHECKPOINT_NAME = "checkpoint.safetensors"
LOCK_NAME = ".lock"
_CHECKPOINT_KEY = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything a run needs to go on.

    Attributes:
        step: Steps done.
        tensors: Name to tensor, on the CPU.
        facts: What is no tensor: phase, epoch, best value so far.
    """

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, JsonValue]


class RunFolder:
    """A run folder that this process holds; made by `RunFolder.open`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Wrap a folder that is locked and whose manifest is written; use `open`.

        Args:
            path: The folder.
            manifest: What its manifest.json holds.
        """
        self.path = path
        self._manifest = manifest
        self._metrics = MetricsFile(path / METRICS_NAME)

    @classmethod
    @contextmanager
    def open(
        cls, path: Path, *, kind: str, configuration: Mapping[str, JsonValue], facts: Mapping[str, JsonValue]
    ) -> Iterator["RunFolder"]:
        """Make a run folder, or continue the one that is there, and hold it until the context ends.

        Args:
            path: The folder; it may be missing, empty, or a run of the same kind and configuration.
            kind: The job: "search", "distill", "teach", ...
            configuration: Every option that decides the outcome.
            facts: Command line, versions, device, seed, fingerprints; replaced when a run is continued.

        Yields:
            The folder, ready for checkpoints, metrics and results.

        Raises:
            RunFolderError: The path is no folder, or holds other files or another run.
            RunInUseError: Another process holds it.
        """
        _require_free(path)
        with _lock(path):
            manifest = Manifest(kind=kind, status="running", configuration=configuration, facts=facts, results={})
            if (path / MANIFEST_NAME).exists():
                found = read_manifest(path)
                require_same_run(path, found, kind=kind, configuration=configuration)
                manifest = found if found.status == "complete" else replace(found, facts=facts)
            write_manifest(path, manifest)
            yield cls(path, manifest)

    @property
    def is_complete(self) -> bool:
        """Whether the job stored its results."""
        return self._manifest.status == "complete"

    @property
    def manifest(self) -> Manifest:
        """What manifest.json holds now."""
        return self._manifest

    def save_checkpoint(self, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Replace the checkpoint.

        Args:
            step: Steps done.
            tensors: Everything that moves.
            facts: What is no tensor.
        """
        text = json.dumps({"step": step, "facts": facts}, allow_nan=False)
        save_tensors(self.path / CHECKPOINT_NAME, tensors, {_CHECKPOINT_KEY: text})

    def load_checkpoint(self) -> Checkpoint | None:
        """The last checkpoint.

        Returns:
            The checkpoint; None where none was saved.

        Raises:
            InputFileError: The file is damaged or not a checkpoint; delete it to begin again.
        """
        file = self.path / CHECKPOINT_NAME
        if not file.exists():
            return None
        text = load_metadata(file).get(_CHECKPOINT_KEY)
        if text is None:
            raise InputFileError(f"{file} has no step in its header; expected a checkpoint; delete it to begin again")
        header = json.loads(text)
        return Checkpoint(step=header["step"], tensors=load_tensors(file), facts=header["facts"])

    def append_metrics(self, row: Mapping[str, MetricValue]) -> None:
        """Add one row to metrics.csv; the first row fixes the columns.

        Args:
            row: Column to value; None is an empty cell.
        """
        self._metrics.append(row)

    def cut_metrics(self, *, after_step: int) -> None:
        """Drop the rows of metrics.csv that come after a checkpoint.

        Args:
            after_step: Rows whose column "step" is greater go; -1 drops all.
        """
        self._metrics.cut(after_step=after_step)

    def finish(self, results: Mapping[str, JsonValue]) -> None:
        """Store the results and mark the run complete.

        Args:
            results: What the job found.
        """
        self._manifest = replace(self._manifest, status="complete", results=results)
        write_manifest(self.path, self._manifest)


def _require_free(path: Path) -> None:
    """Make the folder; refuse one that holds somebody else's files."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RunFolderError(f"{path} is a file; expected a folder for the run; choose another --out") from error
    except OSError as error:
        raise disk_error(path, error) from error
    own = {LOCK_NAME, MANIFEST_NAME, f"{MANIFEST_NAME}.tmp"}  # what a crash while beginning can leave
    names = sorted(entry.name for entry in path.iterdir())
    if MANIFEST_NAME not in names and (others := [name for name in names if name not in own]):
        raise RunFolderError(
            f"{path} holds {others[0]} and no {MANIFEST_NAME}; expected an empty folder or a run; choose another --out"
        )


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the folder; the operating system lets go when the process ends, however it ends."""
    try:
        file = (path / LOCK_NAME).open("a+", encoding="utf-8")
    except OSError as error:
        raise disk_error(path / LOCK_NAME, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise RunInUseError(
                f"{path} is in use by process {holder}; wait until it ends or choose another --out"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
