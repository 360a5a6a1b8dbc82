"""What a run found, on a terminal, as JSON, as CSV, as one HTML page and for TensorBoard; reads folders only."""

from studentsearch.report.document import report_json, write_html
from studentsearch.report.frames import write_csv
from studentsearch.report.tensorboard import write_tensorboard
from studentsearch.report.terminal import render_report

__all__ = ["render_report", "report_json", "write_csv", "write_html", "write_tensorboard"]
