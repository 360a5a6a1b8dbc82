"""The library's face: the jobs of the command line as functions, with their options.

`search` and others share their names with folders of the package, so they are imported from here:
`from studentsearch.api import SearchOptions, search`.
"""

from pathlib import Path

from studentsearch import load
from studentsearch.jobs.count import count
from studentsearch.jobs.distill import DistillOptions, default_training_recipe, distill
from studentsearch.jobs.evaluate import EvaluatedModel, EvaluateOptions, evaluate
from studentsearch.jobs.export import ExportedFile, export
from studentsearch.jobs.found import FoundStudent
from studentsearch.jobs.knowledge import MethodOptions
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.outcome import DistilledStudent
from studentsearch.jobs.search import SearchOptions, search
from studentsearch.jobs.study import StudyOptions, study
from studentsearch.jobs.teach import TeachOptions, TrainedNetwork, teach
from studentsearch.jobs.training import TrainingRecipe
from studentsearch.report import compare, report_json
from studentsearch.runs.files import JsonValue
from studentsearch.search.objective import Objective
from studentsearch.search.recipe import SearchRecipe, as_printed
from studentsearch.student.counts import Counts

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
    "TrainedNetwork",
    "TrainingRecipe",
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
