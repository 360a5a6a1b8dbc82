"""What runs found, on a terminal, as JSON, as CSV, as one HTML page and for TensorBoard; reads folders only."""

from studentsearch.report.comparison_frames import compare, comparison_json, write_comparison_csv
from studentsearch.report.comparison_groups import has_stages, is_comparison, read_comparison
from studentsearch.report.comparison_view import render_comparison
from studentsearch.report.document import report_json, write_comparison_html, write_html
from studentsearch.report.frames import write_csv
from studentsearch.report.tensorboard import write_tensorboard
from studentsearch.report.terminal import render_report

__all__ = [
    "compare",
    "comparison_json",
    "has_stages",
    "is_comparison",
    "read_comparison",
    "render_comparison",
    "render_report",
    "report_json",
    "write_comparison_csv",
    "write_comparison_html",
    "write_csv",
    "write_html",
    "write_tensorboard",
]
