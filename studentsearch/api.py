"""The library's face: the jobs of the command line as functions, with their options.

`search` and others share their names with folders of the package, so they are imported from here:
`from studentsearch.api import SearchOptions, search`.
"""

from pathlib import Path

from studentsearch import load
from studentsearch.decoding import JsonValue
from studentsearch.jobs.count import count
from studentsearch.jobs.distill import DistillOptions, distill
from studentsearch.jobs.evaluate import EvaluatedModel, EvaluateOptions, evaluate
from studentsearch.jobs.export import ExportedFile, export
from studentsearch.jobs.method_options import MethodOptions
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.outcome import DistilledStudent
from studentsearch.jobs.recipe import default_training_recipe
from studentsearch.jobs.search import search
from studentsearch.jobs.search_options import SearchOptions
from studentsearch.jobs.study import study
from studentsearch.jobs.study_options import StudyOptions
from studentsearch.jobs.teach import TeachOptions, teach
from studentsearch.records.counts import Counts
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.records.results import FoundStudent, TrainingResults
from studentsearch.report import compare, report_json
from studentsearch.search.recipe import Objective, SearchRecipe, as_printed

__all__ = [
    "ComputeOptions",
    "Counts",
    "DataOptions",
    "DistillOptions",
    "DistilledStudent",
    "EvaluateOptions",
    "EvaluatedModel",
    "ExportedFile",
    "FoundStudent",
    "MethodOptions",
    "Objective",
    "SearchOptions",
    "SearchRecipe",
    "StudyOptions",
    "TeachOptions",
    "TrainingRecipe",
    "TrainingResults",
    "as_printed",
    "compare",
    "count",
    "default_training_recipe",
    "distill",
    "evaluate",
    "export",
    "load",
    "report",
    "search",
    "study",
    "teach",
]


def report(folder: str | Path) -> dict[str, JsonValue]:
    """The facts that `studentsearch report` shows.

    Args:
        folder: A run folder or a student folder.

    Returns:
        JSON values by name: kind, status, configuration, facts, results and students of a run; counts and blocks of
        a student. Drop ratios are shares from 0 to 1, accuracies percent.
    """
    return report_json(Path(folder))
