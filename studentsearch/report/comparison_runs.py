"""The teach and distill runs below some folders: what each was asked for, and what it reached or how far it is."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from studentsearch.decoding import JsonValue
from studentsearch.errors import RunFolderError
from studentsearch.records.configuration import DistillConfiguration, TeachConfiguration
from studentsearch.records.facts import RunFacts
from studentsearch.records.names import MANIFEST_NAME
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.records.results import NetworkFacts, TrainingResults
from studentsearch.report.course import series
from studentsearch.report.run_facts import read_course_rows
from studentsearch.report.words import value_words
from studentsearch.runs.manifest import Manifest, decode_part, read_manifest

DEPTH = 4
_KINDS = ("teach", "distill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One option of a run: its dotted path in the configuration, and its value in words."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a run was asked for.

    Attributes:
        kind: "teach" or "distill".
        method: How it is distilled; "teach" for a teacher's training.
        row: Its name in a study; None where it is part of none.
        student: The network that is trained.
        teachers: What it learns from, in order.
        via: The temporal network that the first stage taught and that now teaches; None where there is no such stage.
        seed: Seed of everything random.
        settings: Every other option that decides the outcome, in order of keys.
    """

    kind: str
    method: str
    row: str | None
    student: str
    teachers: tuple[str, ...]
    via: str | None
    seed: int
    settings: tuple[Setting, ...]

    @property
    def what(self) -> str:
        """What a table calls it."""
        return self.row or self.method

    @property
    def teachers_words(self) -> str:
        """The teachers in words, equal neighbours counted: `resnet32 x3`."""
        counted = [(name, len(list(equal))) for name, equal in groupby(self.teachers)]
        return ", ".join(name if count == 1 else f"{name} x{count}" for name, count in counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run that ended.

    Attributes:
        path: Its folder.
        task: What it was asked for.
        results: What it left.
    """

    path: Path
    task: Task
    results: TrainingResults

    @property
    def network(self) -> NetworkFacts:
        """The network that was trained; without figures where the run does not know them."""
        return self.results.network or NetworkFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedRun:
    """A run that did not end yet.

    Attributes:
        path: Its folder.
        task: What it was asked for.
        unit: What its length is counted in, "epoch" or "step".
        done: Units done by the last row of its metrics.
        total: Units planned.
    """

    path: Path
    task: Task
    unit: str
    done: float
    total: int


def find_runs(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The run folders of any kind among and below some folders, each once.

    Args:
        paths: Folders; each is walked `DEPTH` folders deep, hidden folders and links aside.

    Returns:
        Run folders in the order of `paths`, then by name.

    Raises:
        RunFolderError: A path that is no folder; give folders.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            raise RunFolderError(f"found no folder {path}; expected a run or a folder of runs; give another")
        for run in _walk(path, DEPTH):
            found.setdefault(run.resolve(), run)
    return tuple(found.values())


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / MANIFEST_NAME).is_file():
        yield folder
    if depth == 0:
        return
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in sorted(names):
        if not name.startswith("."):
            yield from _walk(folder / name, depth - 1)


def read_runs(paths: Sequence[Path]) -> Iterator[FinishedRun | UnfinishedRun]:
    """The teach and distill runs among some run folders; those of other kinds are passed over.

    Args:
        paths: Run folders.

    Yields:
        The runs in the order of `paths`.
    """
    for path in paths:
        manifest = read_manifest(path)
        if manifest.kind in _KINDS:
            is_teach = manifest.kind == "teach"
            task, recipe = _taught(path, manifest) if is_teach else _distilled(path, manifest)
            is_finished = manifest.status == "complete"
            yield _finished(path, manifest, task) if is_finished else _unfinished(path, manifest, task, recipe)


def _taught(path: Path, manifest: Manifest) -> tuple[Task, TrainingRecipe]:
    options = decode_part(path, "configuration", manifest.configuration, TeachConfiguration)
    task = Task(
        kind=manifest.kind,
        method="teach",
        row=None,
        student=options.model,
        teachers=(),
        via=None,
        seed=options.seed,
        settings=_other_settings(manifest),
    )
    return task, options.recipe


def _distilled(path: Path, manifest: Manifest) -> tuple[Task, TrainingRecipe]:
    options = decode_part(path, "configuration", manifest.configuration, DistillConfiguration)
    task = Task(
        kind=manifest.kind,
        method=options.method,
        row=options.row,
        student=options.student or _older_student(path, manifest),
        teachers=tuple(teacher.name for teacher in options.teachers) if options.via is None else (options.via,),
        via=options.via,
        seed=options.seed,
        settings=_other_settings(manifest),
    )
    return task, options.recipe


def _older_student(path: Path, manifest: Manifest) -> str:
    """The student's name; older runs hold only the path of the student that was found in their teacher."""
    return Path(decode_part(path, "facts", manifest.facts, RunFacts).student or "").name


def _finished(path: Path, manifest: Manifest, task: Task) -> FinishedRun:
    return FinishedRun(path=path, task=task, results=decode_part(path, "results", manifest.results, TrainingResults))


def _unfinished(path: Path, manifest: Manifest, task: Task, recipe: TrainingRecipe) -> UnfinishedRun:
    rows = read_course_rows(path, manifest)
    if recipe.steps is not None:
        done = float(rows[-1].step) if rows else 0.0
        return UnfinishedRun(path=path, task=task, unit="step", done=done, total=recipe.steps)
    epochs = series(rows, "epoch").values or (0.0,)
    return UnfinishedRun(path=path, task=task, unit="epoch", done=epochs[-1], total=recipe.epochs)


def _other_settings(manifest: Manifest) -> tuple[Setting, ...]:
    return tuple(setting for setting in _settings(manifest.configuration) if setting.key != "seed")


def _settings(options: Mapping[str, JsonValue]) -> Iterator[Setting]:
    """Every option by its dotted path, in order of keys; lists of plain values stay whole."""
    for key, value in sorted(options.items()):
        inner = _entries(value)
        if inner is not None:
            yield from (Setting(key=f"{key}.{setting.key}", value=setting.value) for setting in _settings(inner))
        else:
            yield Setting(key=key, value=value if isinstance(value, str) else value_words(value))


def _entries(value: JsonValue) -> Mapping[str, JsonValue] | None:
    """What an object holds, or a list with objects by position; None of any other value."""
    if isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(one, Mapping) for one in value):
        return {str(position): entry for position, entry in enumerate(value)}
    return value if isinstance(value, Mapping) else None
