"""A run or a student as JSON facts and as one HTML page that needs nothing else."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from studentsearch.decoding import JsonValue, as_json
from studentsearch.records.blocks import BlockShare
from studentsearch.records.shares import SumShare
from studentsearch.records.student import StudentConfig, read_student_config
from studentsearch.report.comparison_facts import Comparison
from studentsearch.report.comparison_words import comparison_table, explanation, progress_words
from studentsearch.report.course import charted
from studentsearch.report.figures import BLOCK, LAYER, SUM, figures
from studentsearch.report.run_facts import (
    is_student_alone,
    read_course_rows,
    read_run,
    read_search,
    read_training,
    student_folders,
)
from studentsearch.report.strip import explanation as strips_explanation
from studentsearch.report.strip import stage_strips
from studentsearch.report.svg import course_svg, strip_svg, triangle_svg
from studentsearch.report.tables import (
    WordTable,
    accuracies_table,
    blocks_table,
    counts_table,
    lost_layers,
    students_table,
)
from studentsearch.report.triangle import EXPLANATION, dense_triangles
from studentsearch.report.words import fact_name, value_words
from studentsearch.runs.files import write_text
from studentsearch.runs.manifest import Manifest

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
table.facts td { text-align: left; overflow-wrap: anywhere; }
figure { display: inline-block; margin: 1rem 2rem 1rem 0; vertical-align: top; }
"""


def report_json(path: Path) -> dict[str, JsonValue]:
    """The facts behind the report as JSON values.

    Args:
        path: A run folder or a student folder.

    Returns:
        For a run: kind, status, configuration, facts, results and its students; for a student: kind "student" and
        its counts, the layers it lost, and its blocks with their layers and sums. Drop ratios are shares from 0 to 1.
    """
    if is_student_alone(path):
        return {"kind": "student", **_student_json(read_student_config(path))}
    manifest = read_run(path)
    students: dict[str, JsonValue] = {
        label: _student_json(read_student_config(folder)) for label, folder in student_folders(path, manifest).items()
    }
    return {
        "kind": manifest.kind,
        "status": manifest.status,
        "configuration": manifest.configuration,
        "facts": manifest.facts,
        "results": manifest.results,
        "students": students,
    }


def _student_json(student: StudentConfig) -> dict[str, JsonValue]:
    return {
        "macs": student.counts.macs,
        "parameters": student.counts.parameters,
        "teacher_macs": student.teacher_counts.macs,
        "teacher_parameters": student.teacher_counts.parameters,
        "removed": list(student.removed),
        "at_one_channel": list(student.at_one_channel),
        "blocks": [_block_json(block) for block in student.blocks],
    }


def _block_json(block: BlockShare) -> dict[str, JsonValue]:
    return {
        "name": block.name,
        **figures(BLOCK, block),
        "layers": [figures(LAYER, layer) for layer in block.readers],
        "sums": [_sum_json(entry) for entry in block.sums],
    }


def _sum_json(entry: SumShare) -> dict[str, JsonValue]:
    branches = [as_json(branch) for branch in entry.branches]
    return {"name": entry.name, **figures(SUM, entry), "branches": branches}


def write_html(path: Path, file: Path) -> None:
    """Write the report as one page: tables, the course, triangles and strips; no other file, script or address.

    Args:
        path: A run folder or a student folder.
        file: The page; replaced whole.
    """
    if is_student_alone(path):
        title, parts = f"Student {path.resolve().name}", _student_parts(read_student_config(path))
    else:
        manifest = read_run(path)
        title, parts = f"{manifest.kind.capitalize()} {path.resolve().name}", _run_parts(path, manifest)
    _write_page(file, title, parts)


def write_comparison_html(comparison: Comparison, file: Path) -> None:
    """Write runs side by side as one page.

    Args:
        comparison: The facts.
        file: The page; replaced whole.
    """
    parts = [_table_html(comparison_table(comparison))]
    parts += [f"<p>{escape(line)}</p>" for line in explanation(comparison)]
    for run in comparison.unfinished:
        words = f"{run.path}: {run.task.what} {run.task.student} seed {run.task.seed}, {progress_words(run)}"
        parts.append(f"<p>{escape(words)}</p>")
    _write_page(file, "Comparison", parts)


def _write_page(file: Path, title: str, parts: Sequence[str]) -> None:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
    write_text(file, f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n')


def _run_parts(path: Path, manifest: Manifest) -> list[str]:
    parts = [f"<p>{escape(manifest.status)}</p>", _facts_html(manifest)]
    drawn = charted(read_course_rows(path, manifest), manifest.kind)
    parts += [course_svg(f"{fact_name(series.column)} over steps", series) for series in drawn]
    if manifest.kind == "search":
        parts.append(_table_html(students_table(read_search(path, manifest))))
    else:
        training = read_training(path, manifest)
        parts += [] if training is None else [_table_html(accuracies_table(training))]
    for label, folder in student_folders(path, manifest).items():
        parts += [f"<h2>Student {escape(label)}</h2>", *_student_parts(read_student_config(folder))]
    return parts


def _student_parts(student: StudentConfig) -> list[str]:
    parts = [_table_html(counts_table(student))]
    if student.blocks:
        parts.append(_table_html(blocks_table(student)))
    triangles = dense_triangles(student.blocks)
    if triangles:
        parts += ["<h3>Connections</h3>", f"<p>{escape(EXPLANATION)}</p>", *map(triangle_svg, triangles)]
    strips = stage_strips(student.blocks)
    if strips:
        explained = "<br>".join(map(escape, strips_explanation(strips)))
        parts += ["<h3>Layers</h3>", f"<p>{explained}</p>", *map(strip_svg, strips)]
    return [*parts, *(f"<p>{escape(line)}</p>" for line in lost_layers(student))]


def _facts_html(manifest: Manifest) -> str:
    rows = "".join(
        f"<tr><td>{escape(key)}</td><td>{escape(value_words(value))}</td></tr>" for key, value in manifest.facts.items()
    )
    options = escape(json.dumps(manifest.configuration, indent=2))
    return f'<table class="facts">{rows}</table><details><summary>Options</summary><pre>{options}</pre></details>'


def _table_html(table: WordTable) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = "".join("<tr>" + "".join(f"<td>{escape(word)}</td>" for word in row) + "</tr>" for row in table.rows)
    return f"<table><caption>{escape(table.title)}</caption><tr>{header}</tr>{rows}</table>"
