"""A run or a student as text for a terminal or a file, 80 columns or more."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from studentsearch.report.chart import Chart
from studentsearch.report.facts import StudentFacts, read_student
from studentsearch.report.frames import CHARTED, course_frame, student_folders
from studentsearch.report.run_facts import is_student_folder, read_run, read_search, read_training
from studentsearch.report.shown import Shown
from studentsearch.report.strip import stage_strips
from studentsearch.report.strip_view import StripsView
from studentsearch.report.tables import (
    WordTable,
    accuracies_table,
    blocks_table,
    cost_table,
    counts_table,
    lost_layers,
    students_table,
)
from studentsearch.report.triangle import TrianglesView, dense_triangles
from studentsearch.report.words import fact_name, fact_words, value_words
from studentsearch.runs.manifest import Manifest

_CHART_HEIGHT = 4


def render_report(path: Path, console: Console) -> None:
    """Print what a run found, or what was kept in a student.

    Args:
        path: A run folder (search, distill, teach; complete or running) or a student folder.
        console: Where to; 80 columns suffice.
    """
    parts = _student_report(read_student(path)) if is_student_folder(path) else _run_report(path)
    console.print(Shown(content=Group(*_spaced(parts))))


def _run_report(path: Path) -> Iterator[RenderableType]:
    manifest = read_run(path)
    yield _headline(path, manifest)
    yield from _course(course_frame(path), CHARTED[manifest.kind])
    if manifest.kind == "search":
        yield from _search_report(path, manifest)
    else:
        yield from _training_report(path, manifest)


def _search_report(path: Path, manifest: Manifest) -> Iterator[RenderableType]:
    search = read_search(path, manifest)
    if not search.students:
        return
    yield _table(students_table(search))
    smallest = min(search.students, key=lambda student: student.macs)
    yield Text(f"Student {smallest.label}: {smallest.folder}", style="bold")
    yield from _kept_report(read_student(smallest.folder))
    if others := [student for student in search.students if student is not smallest]:
        folders = "\n".join(f"  {student.folder}" for student in others)
        yield Text(f"The other students have reports of their own:\n{folders}")


def _training_report(path: Path, manifest: Manifest) -> Iterator[RenderableType]:
    training = read_training(path, manifest)
    accuracies = accuracies_table(training)
    if accuracies.rows:
        yield _table(accuracies)
    folders = student_folders(path, manifest)
    if folders:
        yield from _student_report(read_student(*folders.values()))
    elif training.student:
        yield _table(cost_table(training.student))


def _student_report(student: StudentFacts) -> Iterator[RenderableType]:
    yield _table(counts_table(student))
    yield from _kept_report(student)


def _kept_report(student: StudentFacts) -> Iterator[RenderableType]:
    if not student.blocks:  # a network by name, from which nothing was cut
        return
    yield _table(blocks_table(student))
    triangles = dense_triangles(student.blocks)
    if triangles:
        yield TrianglesView(triangles=triangles)
    strips = stage_strips(student.blocks)
    if strips:
        yield StripsView(strips=strips)
    if lost := lost_layers(student):
        yield Text("\n".join(lost))


def _headline(path: Path, manifest: Manifest) -> RenderableType:
    title = Text(f"{manifest.kind.capitalize()} {path}: {manifest.status}", style="bold")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for key, value in manifest.facts.items():
        facts.add_row(Text(key), Text(value_words(value)))
    return Group(title, facts)


def _course(course: pd.DataFrame, columns: tuple[str, ...]) -> Iterator[RenderableType]:
    for column in columns:
        if column not in course:
            continue
        known = course[column].loc[np.isfinite(course[column])]
        if known.empty:
            continue
        steps = course["step"].loc[known.index]
        yield Chart(
            title=f"{fact_name(column)} over steps {steps.iloc[0]} to {steps.iloc[-1]}",
            values=tuple(float(value) for value in known),
            top=fact_words(column, float(known.max())),
            bottom=fact_words(column, float(known.min())),
            height=_CHART_HEIGHT,
        )


def _table(words: WordTable) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for position, name in enumerate(words.header):
        if position == 0:
            table.add_column(Text(name), overflow="fold")
        else:
            table.add_column(Text(name), justify="right", no_wrap=True)
    for row in words.rows:
        table.add_row(*(Text(word) for word in row))
    return Group(Text(words.title, style="bold"), table)


def _spaced(parts: Iterator[RenderableType]) -> Iterator[RenderableType]:
    for position, part in enumerate(parts):
        if position:
            yield Text()
        yield part
