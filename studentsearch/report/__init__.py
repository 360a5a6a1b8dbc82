"""What a run found, on a terminal, as JSON, as CSV and as one HTML page; reads folders only."""

from studentsearch.report.document import report_json, write_html
from studentsearch.report.frames import write_csv
from studentsearch.report.terminal import render_report

__all__ = ["render_report", "report_json", "write_csv", "write_html"]
