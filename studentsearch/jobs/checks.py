"""What is checked before anything is loaded: names, files, folders and the grammar of words.

The command line asks here before it imports a job, so that a mistake is answered before torch is; every job asks here
first, so that the library answers likewise before an image is decoded. Nothing here needs torch or opens data.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from studentsearch.data.augmentation import require_augmentation
from studentsearch.data.names import default_data_root, require_data
from studentsearch.data.normalization import given_normalization
from studentsearch.distill.methods import require_method
from studentsearch.engine.compute_words import require_compute
from studentsearch.errors import InputFileError, UsageError
from studentsearch.jobs.method_options import MethodOptions, chosen_method
from studentsearch.models.library_names import names_library_weights
from studentsearch.models.names import canonical_name, find_network, require_model_name
from studentsearch.models.published import require_published
from studentsearch.models.reference import ModelReference, parse_model
from studentsearch.models.weights_file import embedded_weights, require_weights_file
from studentsearch.records.names import CONFIG_NAME, STUDENT_FOLDER, STUDENTS_FOLDER, WEIGHTS_NAME
from studentsearch.records.student import has_student_files
from studentsearch.runs.manifest import read_manifest
from studentsearch.runs.place import require_file_place, require_place
from studentsearch.units import require_budget

if TYPE_CHECKING:
    from studentsearch.jobs.options import ComputeOptions, DataOptions

_DATA_OF = {"densenet100_12": "cifar10", "densenet_digits": "digits"}
_STUDENT_FILES = (CONFIG_NAME, WEIGHTS_NAME)
_MAX_CHANNELS, _MAX_SIDE, _MAX_CLASSES = 1024, 8192, 1_000_000


def require_search(
    *,
    teacher: str,
    weights: Path | None,
    budgets: Sequence[str],
    data: DataOptions,
    compute: ComputeOptions,
    out: Path | None,
) -> None:
    """Refuse a search that cannot begin; see `studentsearch.jobs.search.SearchOptions`.

    Args:
        teacher: Any model name, or a student folder.
        weights: The teacher's.
        budgets: What is kept.
        data: The images.
        compute: Where to compute.
        out: The run folder; None means one that is named after the run.

    Raises:
        UsageError: No budget.
    """
    if not budgets:
        raise UsageError("no budget given; say what is kept, such as --flops 90M or --flops 30%")
    for budget in budgets:
        require_budget(budget)
    _require_open(teacher, data, compute, out, "search")
    require_trained(teacher, weights, data)


def require_teach(*, model: str, data: DataOptions, compute: ComputeOptions, out: Path | None) -> None:
    """Refuse a training that cannot begin; see `studentsearch.jobs.teach.TeachOptions`.

    Args:
        model: Any model name.
        data: The images.
        compute: Where to compute.
        out: The run folder; None means one that is named after the run.
    """
    require_model_name(model)
    _require_open(model, data, compute, out, "teach")


def require_evaluate(*, model: str, weights: Path | None, data: DataOptions, compute: ComputeOptions) -> None:
    """Refuse an evaluation that cannot begin; see `studentsearch.jobs.evaluate.EvaluateOptions`.

    Args:
        model: Any model name, or a student folder.
        weights: Its weights.
        data: The images.
        compute: Where to compute.
    """
    _require_open(model, data, compute, None, "evaluate")
    require_trained(model, weights, data)


def require_count(*, model: str, num_classes: int | None, input_shapes: Sequence[tuple[int, int, int]]) -> None:
    """Refuse a count that cannot be made; see `studentsearch.jobs.count.count`.

    Args:
        model: Any model name, or a student folder.
        num_classes: Classes of a network that is built by name.
        input_shapes: `[C, H, W]` of one image, of every input.

    Raises:
        UsageError: Classes or a shape out of range.
    """
    require_model(parse_model(model))
    if num_classes is not None and not 1 <= num_classes <= _MAX_CLASSES:
        raise UsageError(f"found {num_classes} classes; expected 1 to {_MAX_CLASSES:,}")
    for shape in input_shapes:
        if min(shape) < 1 or shape[0] > _MAX_CHANNELS or max(shape[1:]) > _MAX_SIDE:
            raise UsageError(
                f"found image shape {shape}; expected 1 to {_MAX_CHANNELS} channels, height and width of 1 to "
                f"{_MAX_SIDE} pixels"
            )


def require_export(*, folder: Path, to: str, out: Path | None) -> None:
    """Refuse an export that cannot begin; see `studentsearch.jobs.export.export`.

    Args:
        folder: A student folder.
        to: "onnx" or "pt2".
        out: The file; None means one in the student folder.

    Raises:
        UsageError: A package that the format needs is not installed.
    """
    _require_files(folder, _STUDENT_FILES[:1])  # config.json may tell more than that the weights are missing
    missing = next((name for name in ("onnxruntime", "onnxscript") if find_spec(name) is None), None)
    if to == "onnx" and missing is not None:
        raise UsageError(f"{missing} is not installed; install the extra: pip install 'studentsearch[onnx]'")
    if out is not None:
        require_file_place(out)


def require_distill(
    *,
    student: str | Path,
    teachers: Sequence[str],
    weights: Sequence[Path],
    method: MethodOptions,
    via: str | None,
    init: str,
    data: DataOptions,
    compute: ComputeOptions,
    out: Path | None,
) -> None:
    """Refuse a distillation that cannot begin; see `studentsearch.jobs.distill.DistillOptions`.

    Args:
        student: A search run, a student folder, or any model name.
        teachers: Names or student folders.
        weights: Files of the teachers' weights.
        method: The loss.
        via: Name of a temporal network.
        init: Where training starts.
        data: The images.
        compute: Where to compute.
        out: The run folder; None means one that is named after the run.

    Raises:
        UsageError: A network by name without a teacher, or with weights to inherit.
    """
    require_method(method.name)
    require_compute(compute.device, compute.precision, compute.threads)
    choices = teacher_choices(teachers, weights) if teachers else []
    if via is not None:
        require_model_name(via)
    taught = parse_model(student)
    if taught.kind == "folder":
        read_manifest(taught.path)
    elif not taught.is_found:
        _require_named_student(taught.name, init)
        _require_images(taught, data)
    for name, file in choices:
        require_model(parse_model(name))
        if file is not None and not taught.is_found:
            require_trained(name, file, data)
    if out is not None:
        require_place(out, "distill")
    chosen = chosen_method(method)  # last, since most losses need torch
    if chosen.terms.needs_teachers and not taught.is_found:
        _require_teachers(taught.name, choices, data)


def _require_named_student(name: str, init: str) -> None:
    require_model_name(name)
    if init == "inherit":
        raise UsageError(f"{name} was not cut from a teacher and inherits nothing; use --init scratch")


def _require_teachers(student: str, choices: Sequence[tuple[str, Path | None]], data: DataOptions) -> None:
    """Teachers of a network by name, whose weights are there."""
    if not choices:
        raise UsageError(
            f"found no teacher for {student}; give --teacher MODEL and its --weights FILE, or a search run; "
            "--method none needs no teacher"
        )
    for name, file in choices:
        require_trained(name, file, data)


def require_study(*, data: DataOptions, compute: ComputeOptions, out: Path, student: str) -> None:
    """Refuse a study that cannot begin; see `studentsearch.jobs.study_options.StudyOptions`.

    Args:
        data: The images.
        compute: Where to compute.
        out: The study's folder.
        student: Model name of the students.
    """
    _require_open(student, data, compute, None, "study")
    require_place(out, None)


def require_model(model: ModelReference) -> None:
    """Refuse what is no model name and no student folder.

    Args:
        model: What the user named.
    """
    if model.is_student:
        return
    is_path = model.path.is_dir() or os.sep in model.name
    if is_path and ":" not in model.name and find_network(model.name) is None:
        _require_files(model.path, _STUDENT_FILES)
    require_model_name(model.name)


def require_trained(name: str, weights: Path | None, data: DataOptions) -> None:
    """Refuse a network whose weights are not there.

    Args:
        name: Any model name, or a student folder.
        weights: A file, or the name of a library's weights; None means the folder's, embedded or published ones.
        data: Which images it is for, where published weights lie and whether they may be fetched.
    """
    if weights is not None:
        if not names_library_weights(name, weights):
            require_weights_file(weights)
        return
    if parse_model(name).is_student:
        return
    images = data_name(data, name)
    if images == "digits" and embedded_weights(name) is not None:
        return
    require_published(name, images, data_root=data.data_root or default_data_root(), download=data.download)


def data_name(options: DataOptions, model: str) -> str:
    """The data a job means: what the user named, else what the model was published or embedded for.

    Args:
        options: What the user chose.
        model: Any model name.

    Returns:
        The name.

    Raises:
        UsageError: None is named, and the model has no usual ones.
    """
    if options.name is not None:
        return options.name
    found = _DATA_OF.get(canonical_name(model))
    if found is None:
        require_model(parse_model(model))  # a name that does not exist is the first mistake to mend
        raise UsageError(f"no data named, and {model} has no usual ones; give --data, such as cifar10 or folder:PATH")
    return found


def teacher_choices(names: Sequence[str], weights: Sequence[Path]) -> list[tuple[str, Path | None]]:
    """One name and one file for each teacher.

    Args:
        names: One for all, or one a file.
        weights: None means the embedded or published ones.

    Returns:
        The pairs.

    Raises:
        UsageError: Several names, and another number of files.
    """
    files: list[Path | None] = list(weights) or [None] * len(names)
    if len(names) == 1:
        return [(names[0], file) for file in files]
    if len(names) != len(files):
        raise UsageError(
            f"found {len(names)} teachers and {len(weights)} files of weights; give --weights once for each --teacher, "
            "or one --teacher for all"
        )
    return list(zip(names, files, strict=True))


def _require_files(folder: Path, names: Sequence[str]) -> None:
    missing = next((name for name in names if not (folder / name).is_file()), None)
    if missing is not None:
        inside = [*sorted((folder / STUDENTS_FOLDER).glob("*")), folder / STUDENT_FOLDER]
        found = next((place for place in inside if has_student_files(place)), None)
        cure = "expected what search or distill wrote" if found is None else f"give one inside it, such as {found}"
        raise InputFileError(f"{folder}: no {missing}, so not a student folder; {cure}")


def _require_images(model: ModelReference, data: DataOptions) -> None:
    require_augmentation(data.augment)
    given_normalization(data.mean, data.std)
    if data.name is None and model.is_student:
        return  # its config.json says which, and is read later
    require_data(
        data_name(data, model.name), data_root=data.data_root, download=data.download, image_size=data.image_size
    )


def _require_open(model: str, data: DataOptions, compute: ComputeOptions, out: Path | None, kind: str) -> None:
    require_compute(compute.device, compute.precision, compute.threads)
    reference = parse_model(model)
    require_model(reference)
    _require_images(reference, data)
    if out is not None:
        require_place(out, kind)
