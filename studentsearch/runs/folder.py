"""One run on disk: made or continued while it is held, everything in it replaced whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from studentsearch.decoding import JsonValue, Record
from studentsearch.errors import InputFileError
from studentsearch.records.names import MANIFEST_NAME, METRICS_NAME
from studentsearch.runs.checkpoints import Checkpoint, CheckpointFiles, Facts, RunIdentity
from studentsearch.runs.files import encodable, file_sha256, json_sha256
from studentsearch.runs.hold import hold_run_folder
from studentsearch.runs.manifest import Manifest, changed_files, read_manifest, require_same_run, write_manifest
from studentsearch.runs.metrics import MetricsFile, MetricValue

DAMAGED_CURE = "put a whole one back from a copy, or choose another --out"


class RunFolder:
    """A run folder that this process holds; made by `RunFolder.begin` or `RunFolder.open`."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Wrap a folder that is held and whose manifest is written; use `begin`.

        Args:
            path: The folder.
            manifest: What its manifest.json holds.
        """
        self.path = path
        self._manifest = manifest
        self._metrics = MetricsFile(path / METRICS_NAME)
        identity = RunIdentity(kind=manifest.kind, configuration_sha256=json_sha256(manifest.configuration))
        self._checkpoints = CheckpointFiles(path, identity)

    @classmethod
    def begin(
        cls, path: Path, *, kind: str, configuration: Mapping[str, JsonValue], facts: Mapping[str, JsonValue]
    ) -> "RunFolder":
        """Begin a run in a folder that `hold_run_folder` holds, or continue the one that is there.

        Args:
            path: The folder; empty, or a run of the same kind and configuration.
            kind: The job: "search", "distill", "teach", ...
            configuration: Every option that decides the outcome.
            facts: Command line, versions, device, seed, fingerprints; replaced when a run is continued.

        Returns:
            The folder, ready for `load_checkpoint`, then for metrics, checkpoints and results.

        Raises:
            RunFolderError: The folder holds another run.
            InputFileError: Its manifest is damaged.
        """
        configuration, facts = encodable(configuration), encodable(facts)
        manifest = Manifest(kind=kind, status="running", configuration=configuration, facts=facts, results={})
        if (path / MANIFEST_NAME).exists():
            found = read_manifest(path)
            require_same_run(path, found, kind=kind, configuration=configuration)
            manifest = found if found.status == "complete" else replace(found, facts=facts)
        write_manifest(path, manifest)
        return cls(path, manifest)

    @classmethod
    @contextmanager
    def open(
        cls, path: Path, *, kind: str, configuration: Mapping[str, JsonValue], facts: Mapping[str, JsonValue]
    ) -> Iterator["RunFolder"]:
        """Hold a folder, see `hold_run_folder`, and begin or continue a run in it, see `begin`.

        Args:
            path: The folder.
            kind: The job.
            configuration: Every option that decides the outcome.
            facts: Command line, versions, device, seed, fingerprints.

        Yields:
            The folder.
        """
        with hold_run_folder(path):
            yield cls.begin(path, kind=kind, configuration=configuration, facts=facts)

    @property
    def is_complete(self) -> bool:
        """Whether the job stored its results."""
        return self._manifest.status == "complete"

    @property
    def manifest(self) -> Manifest:
        """What manifest.json holds now."""
        return self._manifest

    def is_finished(self, say: Callable[[str], None]) -> bool:
        """Whether nothing is left to do: the run is complete and its files are whole.

        Args:
            say: Hears that it is, or which files are gone or damaged and are therefore made again.

        Returns:
            False where the job must go on, and make its files again where they are gone.
        """
        if not self.is_complete:
            return False
        # Without its course a run can be used; `report` says that it is damaged and what to do.
        changed = [line for line in changed_files(self.path, self._manifest.files) if not line.startswith(METRICS_NAME)]
        if not changed:
            say(f"{self.path}: this {self._manifest.kind} is complete already")
            return True
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        say(f"warning: {self.path}: {changed[0]}{more}; made again from the last checkpoint")
        return False

    def save_checkpoint(self, step: int, tensors: Mapping[str, Tensor], facts: Record) -> None:
        """Write a checkpoint; the one before is kept.

        Args:
            step: Steps done.
            tensors: Everything that moves.
            facts: What is no tensor, a frozen dataclass of plain values.
        """
        self._checkpoints.save(step, tensors, facts, self._metrics.mark())
        self._note_checkpoint()

    def load_checkpoint(self, form: type[Facts], say: Callable[[str], None]) -> Checkpoint[Facts] | None:
        """The last checkpoint, with metrics.csv cut to where it was then.

        Args:
            form: What the checkpoint's facts must hold.
            say: Hears of a checkpoint that is damaged or missing, and of another version of torch.

        Returns:
            The checkpoint; None where none was ever written, or where a complete run must be made again from the
            beginning because its files and its checkpoints are gone.

        Raises:
            InputFileError: Checkpoints were written and none is whole, or metrics.csv was changed.
        """
        if not self._checkpoints.exist and not self._manifest.has_checkpoint:
            self._metrics.go_back(None)
            return None
        cure = f"put one back from a copy, choose another --out, or delete {self.path} to begin again"
        try:
            found = self._checkpoints.load(form, say, cure=cure)
        except InputFileError as error:
            if not self.is_complete:
                raise
            say(f"warning: {error}; this run begins again")
            self.begin_again()
            return None
        self._metrics.go_back(found.metrics)
        self._note_checkpoint()
        if found.torch != torch.__version__:
            say(
                f"warning: continued under torch {torch.__version__}, the checkpoint is of torch {found.torch}: "
                "the result may differ in its last digits"
            )
        return found

    def begin_again(self) -> None:
        """Go back to before the first step: no checkpoints, no rows, no results."""
        self._checkpoints.remove()
        self._write(replace(self._manifest, status="running", results={}, files={}, has_checkpoint=False))
        self._metrics.go_back(None)

    def append_metrics(self, row: Mapping[str, MetricValue]) -> None:
        """Add one row to metrics.csv; the first row fixes the columns.

        Args:
            row: Column to value; None is an empty cell.
        """
        self._metrics.append(row)

    def rewind_metrics(self, *, after_step: int) -> None:
        """Forget the rows of metrics.csv after a step, see `MetricsFile.rewind`.

        Args:
            after_step: Rows of later steps are forgotten.
        """
        self._metrics.rewind(after_step=after_step)

    def hashes(self, files: Sequence[Path]) -> dict[str, str]:
        """The SHA-256 of files of this run, by their path in the folder.

        Args:
            files: Existing files below the folder.

        Returns:
            What `finish` takes.
        """
        return {file.relative_to(self.path).as_posix(): file_sha256(file) for file in files}

    def finish(self, results: Mapping[str, JsonValue], files: Mapping[str, str]) -> None:
        """Store the results and mark the run complete.

        Args:
            results: What the job found.
            files: SHA-256 of the files that it wrote, from `hashes`; that of metrics.csv is added.
        """
        course = self.path / METRICS_NAME
        known = {**files, **(self.hashes([course]) if course.exists() else {})}
        self._write(replace(self._manifest, status="complete", results=results, files=known))

    def _note_checkpoint(self) -> None:
        """Remember in the manifest that there was one, and that the run goes on where it was complete."""
        if self.is_complete or not self._manifest.has_checkpoint:
            self._write(replace(self._manifest, status="running", results={}, files={}, has_checkpoint=True))

    def _write(self, manifest: Manifest) -> None:
        write_manifest(self.path, manifest)
        self._manifest = manifest
