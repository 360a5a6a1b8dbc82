"""The teach and distill runs below some folders: what each was asked for, and what it reached or how far it is."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from studentsearch.errors import RunFolderError
from studentsearch.report.fields import Fields
from studentsearch.report.frames import course_frame
from studentsearch.report.run_facts import ReachedFacts, model_facts, reached_facts
from studentsearch.report.words import value_words
from studentsearch.runs.files import JsonValue
from studentsearch.runs.manifest import MANIFEST_NAME, Manifest, read_manifest

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
    """A run that ended; None where it does not know a figure.

    Attributes:
        path: Its folder.
        task: What it was asked for.
        parameters: Trainable numbers of the network.
        macs: Multiply-accumulates of one image.
        milliseconds_per_image: Time of the network for one image.
        last: Where training ended.
        best: Where it was best on the held-out images.
    """

    path: Path
    task: Task
    parameters: int | None
    macs: int | None
    milliseconds_per_image: float | None
    last: ReachedFacts | None
    best: ReachedFacts | None


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
            task = _task(path, manifest)
            is_finished = manifest.status == "complete"
            yield _finished(path, manifest, task) if is_finished else _unfinished(path, manifest, task)


def _task(path: Path, manifest: Manifest) -> Task:
    options = _configuration(path, manifest)
    is_teach = manifest.kind == "teach"
    via = options.text_or_none("via")
    teachers = () if is_teach else _teachers(options)
    return Task(
        kind=manifest.kind,
        # Runs of before there were methods mixed labels and softened outputs.
        method="teach" if is_teach else options.text_or_none("method") or "hinton",
        row=options.text_or_none("row"),
        student=options.text("model") if is_teach else _student(path, manifest, options, teachers),
        teachers=teachers if via is None else (via,),
        via=via,
        seed=options.integer("seed"),
        settings=tuple(setting for setting in _settings(options.values) if setting.key != "seed"),
    )


def _student(path: Path, manifest: Manifest, options: Fields, teachers: Sequence[str]) -> str:
    """The student's name; older runs hold only the path of the student that was found in their teacher."""
    if options.has("student"):
        return options.text("student")
    facts = Fields(values=manifest.facts, place=f"{path / MANIFEST_NAME}: facts")
    return " of ".join((Path(facts.text("student")).name, *teachers))


def _teachers(options: Fields) -> tuple[str, ...]:
    """The teachers' names; the configuration of older runs has none."""
    return tuple(teacher.text("name") for teacher in options.many("teachers")) if options.has("teachers") else ()


def _finished(path: Path, manifest: Manifest, task: Task) -> FinishedRun:
    results = Fields(values=manifest.results, place=f"{path / MANIFEST_NAME}: results")
    network = model_facts(results, "model" if task.kind == "teach" else "student")
    return FinishedRun(
        path=path,
        task=task,
        parameters=network.parameters if network else None,
        macs=network.macs if network else None,
        milliseconds_per_image=results.number_or_none("milliseconds_per_image"),
        last=reached_facts(results, "last"),
        best=reached_facts(results, "best"),
    )


def _unfinished(path: Path, manifest: Manifest, task: Task) -> UnfinishedRun:
    recipe = _configuration(path, manifest).fields("recipe")
    steps = recipe.integer_or_none("steps")
    unit, total = ("epoch", recipe.integer("epochs")) if steps is None else ("step", steps)
    course = course_frame(path)
    done = float(course[unit].iloc[-1]) if unit in course else 0.0
    return UnfinishedRun(path=path, task=task, unit=unit, done=done, total=total)


def _configuration(path: Path, manifest: Manifest) -> Fields:
    return Fields(values=manifest.configuration, place=f"{path / MANIFEST_NAME}: configuration")


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
