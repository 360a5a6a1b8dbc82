"""The study job: a table of methods on one pair of networks, several seeds each, as one command that can be stopped.

Everything is an ordinary run: OUT/teachers/1, 2, ... are `teach` runs, OUT/rows/ROW/seed-S are `distill` runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from studentsearch.distill.clipping import ClippingMode
from studentsearch.errors import RunInUseError, UsageError
from studentsearch.jobs.distill import DistillOptions, distill
from studentsearch.jobs.knowledge import MethodOptions
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.teach import WEIGHTS_NAME, TeachOptions, teach
from studentsearch.jobs.training import TrainingRecipe
from studentsearch.progress import Progress, SilentProgress
from studentsearch.runs.manifest import is_finished


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """One row of the table.

    Attributes:
        name: As the table has it.
        method: The loss.
        has_all_teachers: Whether all teachers of the study teach, or the first alone.
    """

    name: str
    method: MethodOptions
    has_all_teachers: bool = False


def study_rows(clipping: ClippingMode) -> tuple[StudyRow, ...]:
    """The rows of the cross-layer publication, and what they are here.

    P1 is cross-layer matrices (distances 1 to 3), P2 the KL term, P3 an ensemble of teachers. Alone, P3 is the
    ensemble's mean over matrices of neighbouring points, since an ensemble needs a term to take the mean of.

    Args:
        clipping: Of the matrices' gradients.

    Returns:
        The rows, in the table's order.

    Source:
        Chou, Chiu and Liao, APSIPA Transactions 10, 2021, e18, section IV.
    """
    matrices = MethodOptions(name="cross_layer", clipping=clipping)
    alone = replace(matrices, kl=0.0)
    return (
        StudyRow(name="alone", method=MethodOptions(name="none")),
        StudyRow(name="hinton", method=MethodOptions(name="hinton")),
        StudyRow(name="fsp", method=MethodOptions(name="fsp")),
        StudyRow(name="P1", method=alone),
        StudyRow(name="P2", method=MethodOptions(name="kl")),
        StudyRow(name="P3", method=replace(alone, max_distance=1), has_all_teachers=True),
        StudyRow(name="P1+P2", method=matrices),
        StudyRow(name="P1+P2+P3", method=matrices, has_all_teachers=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """What a user chooses of a study.

    Attributes:
        teacher: Model name of the teachers.
        student: Model name of the students.
        out: The study's folder.
        rows: Names of rows; none means all.
        num_teachers: Teachers that are taught, seeds 0, 1, ...
        seeds: Seeds of every row.
        clipping: Of the cross-layer matrices' gradients.
        data: The images.
        compute: Device, precision, threads; its seed is the first teacher's and each row's first.
        teaching: How teachers are trained.
        distilling: How students are trained.
    """

    teacher: str
    student: str
    out: Path
    rows: tuple[str, ...] = ()
    num_teachers: int = 3
    seeds: int = 3
    clipping: ClippingMode = "printed"
    data: DataOptions = field(default_factory=DataOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    teaching: TrainingRecipe = field(default_factory=TrainingRecipe)
    distilling: TrainingRecipe = field(default_factory=TrainingRecipe)

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            UsageError: No teachers, no seeds, or a row that does not exist.
        """
        if self.num_teachers < 1 or self.seeds < 1:
            raise UsageError(f"found {self.num_teachers} teachers and {self.seeds} seeds; expected at least 1 of each")
        known = [row.name for row in study_rows(self.clipping)]
        unknown = [name for name in self.rows if name not in known]
        if unknown:
            raise UsageError(f"found row {unknown[0]}; expected some of {', '.join(known)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run of the study: where it lies, and what does it."""

    folder: Path
    start: Callable[[Progress], object]

    @property
    def is_complete(self) -> bool:
        return is_finished(self.folder)


def study(options: StudyOptions, progress: Progress | None = None) -> None:
    """Run what is not complete yet: teachers first, then seed by seed all rows, so that every stop leaves a table.

    Several processes may work on one study: each leaves to the others the runs that they hold.

    Args:
        options: The pair, the rows, seeds, recipes.
        progress: Hears of every step; None for silence.

    Raises:
        RunInUseError: All that is left are rows of teachers that other processes still train; repeat it then.
    """
    listener = progress or SilentProgress()
    teachers, students = list(_teachers(options)), list(_students(options))
    for number, run in enumerate(teachers, start=1):
        _run(run, f"teacher {number} of {len(teachers)}", listener)
    for number, teacher in enumerate(teachers, start=1):
        if not teacher.is_complete:
            raise RunInUseError(
                f"found teacher {number} of {len(teachers)} in training by another process, in {teacher.folder}; "
                "the rows need it; repeat this command when that process has ended"
            )
    for number, run in enumerate(students, start=1):
        _run(run, f"run {number} of {len(students)}", listener)


def _run(run: _Run, words: str, listener: Progress) -> None:
    if run.is_complete:
        return
    listener.say(f"{words}: {run.folder}")
    try:
        run.start(listener)
    except RunInUseError:
        listener.say(f"{words} is left to the process that holds it")


def _teacher_folder(options: StudyOptions, number: int) -> Path:
    return options.out / "teachers" / str(number + 1)


def _teachers(options: StudyOptions) -> Iterator[_Run]:
    for number in range(options.num_teachers):
        teaching = TeachOptions(
            model=options.teacher,
            out=_teacher_folder(options, number),
            data=options.data,
            compute=replace(options.compute, seed=options.compute.seed + number),
            recipe=options.teaching,
        )
        yield _Run(folder=teaching.out, start=partial(teach, teaching))


def _students(options: StudyOptions) -> Iterator[_Run]:
    every = tuple(_teacher_folder(options, number) / WEIGHTS_NAME for number in range(options.num_teachers))
    for number in range(options.seeds):
        for row in study_rows(options.clipping):
            if options.rows and row.name not in options.rows:
                continue
            distilling = DistillOptions(
                student=options.student,
                out=options.out / "rows" / row.name / f"seed-{options.compute.seed + number}",
                teachers=(options.teacher,),
                weights=every if row.has_all_teachers else every[:1],
                method=row.method,
                data=options.data,
                compute=replace(options.compute, seed=options.compute.seed + number),
                recipe=options.distilling,
                row=row.name,
            )
            yield _Run(folder=distilling.out, start=partial(distill, distilling))
