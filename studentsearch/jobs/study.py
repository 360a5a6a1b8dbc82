"""The study job: a table of methods on one pair of networks, several seeds each, as one command that can be stopped.

Everything is an ordinary run: OUT/teachers/1, 2, ... are `teach` runs, OUT/rows/ROW/seed-S are `distill` runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from studentsearch.errors import RunInUseError
from studentsearch.jobs.checks import require_study
from studentsearch.jobs.distill import DistillOptions, distill
from studentsearch.jobs.study_options import StudyOptions, study_rows
from studentsearch.jobs.teach import TeachOptions, teach
from studentsearch.progress import Progress, SilentProgress
from studentsearch.records.names import ROWS_FOLDER, TAUGHT_WEIGHTS_NAME, TEACHERS_FOLDER
from studentsearch.runs.manifest import is_finished


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
    require_study(data=options.data, compute=options.compute, out=options.out, student=options.student)
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
    return options.out / TEACHERS_FOLDER / str(number + 1)


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
    every = tuple(_teacher_folder(options, number) / TAUGHT_WEIGHTS_NAME for number in range(options.num_teachers))
    for number in range(options.seeds):
        for row in study_rows(options.clipping):
            if options.rows and row.name not in options.rows:
                continue
            distilling = DistillOptions(
                student=options.student,
                out=options.out / ROWS_FOLDER / row.name / f"seed-{options.compute.seed + number}",
                teachers=(options.teacher,),
                weights=every if row.has_all_teachers else every[:1],
                method=row.method,
                data=options.data,
                compute=replace(options.compute, seed=options.compute.seed + number),
                recipe=options.distilling,
                row=row.name,
            )
            yield _Run(folder=distilling.out, start=partial(distill, distilling))
