"""A run or a student as text for a terminal or a file, 80 columns or more."""

from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from studentsearch.records.student import StudentConfig, read_student_config
from studentsearch.report.chart import Chart
from studentsearch.report.course import Series, charted
from studentsearch.report.run_facts import (
    found_folder,
    is_student_alone,
    read_course_rows,
    read_run,
    read_search,
    read_training,
    student_folders,
)
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
    parts = _student_report(read_student_config(path)) if is_student_alone(path) else _run_report(path)
    console.print(Shown(content=Group(*_spaced(parts))))


def _run_report(path: Path) -> Iterator[RenderableType]:
    manifest = read_run(path)
    yield _headline(path, manifest)
    yield from map(_chart, charted(read_course_rows(path, manifest), manifest.kind))
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
    folder = found_folder(path, smallest)
    yield Text(f"Student {smallest.label}: {folder}", style="bold")
    yield from _kept_report(read_student_config(folder))
    if others := [student for student in search.students if student is not smallest]:
        folders = "\n".join(f"  {found_folder(path, student)}" for student in others)
        yield Text(f"The other students have reports of their own:\n{folders}")


def _training_report(path: Path, manifest: Manifest) -> Iterator[RenderableType]:
    training = read_training(path, manifest)
    if training is not None:
        yield _table(accuracies_table(training))
    folders = student_folders(path, manifest)
    if folders:
        yield from _student_report(read_student_config(*folders.values()))
    elif training is not None and training.student is not None:
        yield _table(cost_table(training.student))


def _student_report(student: StudentConfig) -> Iterator[RenderableType]:
    yield _table(counts_table(student))
    yield from _kept_report(student)


def _kept_report(student: StudentConfig) -> Iterator[RenderableType]:
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


def _chart(series: Series) -> Chart:
    return Chart(
        title=f"{fact_name(series.column)} over steps {series.steps[0]} to {series.steps[-1]}",
        values=series.values,
        top=fact_words(series.column, float(max(series.values))),
        bottom=fact_words(series.column, float(min(series.values))),
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
