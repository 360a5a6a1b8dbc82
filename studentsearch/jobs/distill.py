"""The distill job: teach a student what its teachers know, through answers, feature maps, or a network between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from studentsearch.data.batches import in_order
from studentsearch.decoding import as_json
from studentsearch.engine.evaluate import TIMED_IMAGES, milliseconds_per_image
from studentsearch.engine.runtime import Runtime, open_runtime
from studentsearch.errors import UsageError
from studentsearch.jobs.checks import require_distill, teacher_choices
from studentsearch.jobs.knowledge import PointPlan, advice, make_objective, plan_points, terms_as_json
from studentsearch.jobs.locate import locate_student, search_run_of
from studentsearch.jobs.method_options import ChosenMethod, MethodOptions, chosen_method
from studentsearch.jobs.opening import (
    OpenedData,
    OpenedModel,
    data_facts,
    evaluate_on,
    open_data,
    open_model,
    run_facts,
)
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.outcome import DistilledStudent, Trained, distilled_student
from studentsearch.jobs.outputs import stated_output
from studentsearch.jobs.students import (
    Init,
    OpenedStudent,
    open_found_student,
    open_named_student,
    write_trained,
)
from studentsearch.jobs.teachers import (
    check_teachers,
    common_normalization,
    open_search_data,
    open_search_teacher,
    search_data,
)
from studentsearch.jobs.training import Training
from studentsearch.models.reference import parse_model
from studentsearch.outputs import OutputPath
from studentsearch.own_function import import_own_function, require_typed
from studentsearch.progress import Progress, SilentProgress
from studentsearch.records.configuration import DistillConfiguration, NamedTeacher
from studentsearch.records.counts import Counts
from studentsearch.records.names import BEST_STUDENT_FOLDER, STUDENT_FOLDER, VIA_FOLDER
from studentsearch.records.origin import Origin
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.records.results import NetworkFacts, TeacherAccuracy, TrainingResults
from studentsearch.records.training import TeacherRecord, TrainingRecord
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.hold import hold_run_folder
from studentsearch.runs.manifest import decode_part, is_finished, read_manifest
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import student_files


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillOptions:
    """What a user chooses when distilling.

    Attributes:
        student: A search run, a student folder, or any model name.
        out: The run folder.
        teachers: Model names or student folders; none means the search's own, which a found student has.
        weights: Files of the teachers' weights, several for an ensemble; none means what comes with the names.
        budget: Which of a search's students, by its label (`90M`); None means the smallest.
        init: `scratch` starts from fresh weights (the published way), `inherit` from those a student was cut with.
        method: The loss.
        via: Name of a temporal network that is taught first and then teaches the student; None teaches in one stage.
        data: The images; those of the search for a found student.
        compute: Device, precision, threads, seed.
        recipe: How the student, and the temporal network, are trained.
        row: What a table of several runs calls this one; empty means its method.
        logits: Name or position of the student's output that is trained and evaluated; None means a found student's
            own, else `out`, else `logits`, else the first `[B, classes]`.
        teacher_logits: The same for teachers that are named; None means what comes with their weights, or the usual
            one.
    """

    student: str | Path
    out: Path
    teachers: tuple[str, ...] = ()
    weights: tuple[Path, ...] = ()
    budget: str | None = None
    init: Init = "scratch"
    method: MethodOptions = field(default_factory=MethodOptions)
    via: str | None = None
    data: DataOptions = field(default_factory=DataOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)
    row: str = ""
    logits: str | None = None
    teacher_logits: str | None = None


def distill(options: DistillOptions, progress: Progress | None = None) -> DistilledStudent:
    """Teach a student; it lies in OUT/student (last) and OUT/student-best, a temporal network in OUT/via/student.

    Args:
        options: Student, teachers, loss, recipe, run folder.
        progress: Hears of every step; None for silence.

    Returns:
        Accuracies, and where the student lies.
    """
    require_distill(
        student=options.student,
        teachers=options.teachers,
        weights=options.weights,
        method=options.method,
        via=options.via,
        init=options.init,
        data=options.data,
        compute=options.compute,
        out=options.out,
    )
    with hold_run_folder(options.out):
        return _held_distill(options, progress or SilentProgress())


def _held_distill(options: DistillOptions, listener: Progress) -> DistilledStudent:
    runtime = open_runtime(options.compute.device, options.compute.precision, options.compute.threads)
    chosen = chosen_method(options.method)
    parts = _open(options, chosen, listener)
    plan = _planned(options, chosen, parts)
    student = str(parts.student.folder or options.student)
    facts = run_facts(runtime, options.compute.seed, parts.data, student=student)
    configuration = _configuration(options, chosen, parts, runtime)
    run = RunFolder.begin(options.out, kind="distill", configuration=as_json(configuration), facts=as_json(facts))
    if run.is_finished(listener.say):
        results = decode_part(run.path, "results", run.manifest.results, TrainingResults)
        return distilled_student(run.path, results)
    if options.via is not None:
        parts = replace(parts, teachers=(_taught_between(options, parts, listener),))
        plan = _plan(chosen, parts)
    for network in (parts.student.module, *(teacher.module for teacher in parts.teachers)):
        network.to(runtime.device).to(memory_format=torch.channels_last)
    check_teachers(parts.teachers, parts.data, runtime, listener, temperature=chosen.temperature)
    trained = _train(options, plan, parts, runtime, listener, run)
    return _finish(options, parts, trained, runtime, run)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Parts:
    """Who takes part."""

    data: OpenedData
    student: OpenedStudent
    teachers: tuple[OpenedModel, ...]


def _open(options: DistillOptions, chosen: ChosenMethod, progress: Progress) -> _Parts:
    """Data, student and teachers."""
    for name in options.teachers:
        import_own_function(name, "model")  # a rule that its module teaches may be one that the student needs
    if parse_model(options.student).is_found:
        return _open_found(options, locate_student(Path(options.student), options.budget), progress)
    return _open_named(options, chosen, progress)


def _plan(chosen: ChosenMethod, parts: _Parts) -> PointPlan:
    return plan_points(chosen, parts.student.network, tuple(teacher.network for teacher in parts.teachers))


def _planned(options: DistillOptions, chosen: ChosenMethod, parts: _Parts) -> PointPlan:
    """The points of both stages, so that a mistake in them is told before the first; the plan of a single stage."""
    if options.via is None:
        return _plan(chosen, parts)
    between = open_named_student(options.via, parts.data.dataset, 0)
    _plan(chosen, replace(parts, student=between))
    return plan_points(chosen, parts.student.network, (between.network,))


def _open_found(options: DistillOptions, folder: Path, progress: Progress) -> _Parts:
    """A student folder; inside a search run its data, and its teacher where no other is named."""
    student = open_found_student(folder, options.init, options.compute.seed)
    assert student.stored is not None
    if options.logits not in {None, str(student.logits)}:
        raise UsageError(
            f"found --logits {options.logits}; {folder} was searched with its output {student.logits}; "
            "leave --logits out"
        )
    origin, run = student.stored.origin, search_run_of(folder)
    if run is None and not options.teachers:
        raise UsageError(
            f"{folder} lies in no search run, so its teacher is unknown; give --teacher, or the run folder"
        )
    if run is None:
        name = options.data.name or require_typed(origin.data, (), what="data", option="--data", source=folder)
        named = replace(options.data, name=name)
        if options.data.name is None:
            data = open_search_data(named, origin, progress)
        else:
            data = open_data(named, options.teachers[0], progress=progress)
        return _Parts(data=data, student=student, teachers=_open_teachers(options, data, named, progress))
    manifest = read_manifest(run)
    if not options.teachers:
        require_typed(origin.teacher, (), what="teacher", option="--teacher", source=run)
    images = search_data(run, manifest, origin, options.data)
    data = open_search_data(images, origin, progress)
    # A teacher that is a function must be typed, and then is the search's own, with the weights that it had there.
    is_own = options.teachers == (origin.teacher,) and parse_model(origin.teacher).kind == "function"
    if options.weights or (options.teachers and not is_own):
        common_normalization(
            teacher_choices(options.teachers or (origin.teacher,), options.weights), images, data.normalization
        )
        chosen = replace(options, teachers=options.teachers or (origin.teacher,))
        return _Parts(data=data, student=student, teachers=_open_teachers(chosen, data, images, progress))
    teacher = open_search_teacher(run, manifest, origin, data, images)
    return _Parts(data=data, student=student, teachers=(teacher,))


def _open_named(options: DistillOptions, chosen: ChosenMethod, progress: Progress) -> _Parts:
    """A network by name, whose teachers are named as well."""
    name, needs_teachers = str(options.student), chosen.terms.needs_teachers
    choices = teacher_choices(options.teachers, options.weights) if options.teachers else []
    normalization = common_normalization(choices, options.data) if needs_teachers else None
    data = open_data(options.data, name, normalization, progress)
    student = open_named_student(name, data.dataset, options.compute.seed, options.logits)
    teachers = _open_teachers(options, data, options.data, progress) if needs_teachers else ()
    return _Parts(data=data, student=student, teachers=teachers)


def _open_teachers(
    options: DistillOptions, data: OpenedData, images: DataOptions, progress: Progress
) -> tuple[OpenedModel, ...]:
    return tuple(
        open_model(name, weights, data, images, progress, logits=options.teacher_logits)
        for name, weights in teacher_choices(options.teachers, options.weights)
    )


def _taught_between(options: DistillOptions, parts: _Parts, progress: Progress) -> OpenedModel:
    """The temporal network, taught by the teachers or read where it already was."""
    assert options.via is not None
    out = options.out / VIA_FOLDER
    if not is_finished(out):
        progress.say(f"first stage: {options.via} is taught, in {out}")
        stage = replace(
            options, student=options.via, out=out, via=None, budget=None, init="scratch", row="", logits=None
        )
        distill(stage, progress)
        progress.say("second stage: it teaches the student")
    return open_model(str(out / STUDENT_FOLDER), None, parts.data, options.data)


def _train(
    options: DistillOptions, plan: PointPlan, parts: _Parts, runtime: Runtime, progress: Progress, run: RunFolder
) -> Trained:
    seed = options.compute.seed
    objective = make_objective(plan, parts.student, parts.teachers, runtime=runtime, seed=seed)
    training = Training(
        parts.student.module,
        objective,
        options.recipe,
        parts.data,
        phase="distill",
        seed=seed,
        runtime=runtime,
        progress=progress,
        logits=parts.student.logits,
        advice=advice(plan.chosen),
    )
    return training.run(run)


def _finish(
    options: DistillOptions, parts: _Parts, trained: Trained, runtime: Runtime, run: RunFolder
) -> DistilledStudent:
    """Write the student, evaluate it and its teachers, store the results."""
    student, data = parts.student, parts.data
    module = student.module

    def accuracy(network: nn.Module, logits: OutputPath) -> float:
        return evaluate_on(network.to(runtime.device), data.dataset.test, data.normalization, runtime, logits).accuracy

    before = accuracy(student.stored.module, student.logits) if student.stored is not None else None
    teachers = tuple(accuracy(teacher.module, teacher.logits) for teacher in parts.teachers)
    _write_students(options, parts, trained, before, teachers, run)
    timed = next(iter(in_order(data.dataset.test, data.normalization, TIMED_IMAGES, runtime.device))).inputs
    results = TrainingResults(
        last=trained.last,
        best=trained.best,
        roll_back=trained.roll_back,
        student=NetworkFacts(**student.counts.as_dict()),
        milliseconds_per_image=milliseconds_per_image(module, timed, runtime),
        teachers=tuple(
            TeacherAccuracy(name=teacher.name, accuracy_test=reached)
            for teacher, reached in zip(parts.teachers, teachers, strict=True)
        ),
        teacher=NetworkFacts(accuracy_test=teachers[0]) if teachers else None,
        before=None if before is None else NetworkFacts(accuracy_test=before),
    )
    folders = (STUDENT_FOLDER, BEST_STUDENT_FOLDER)
    files = [file for name in folders for file in student_files(run.path / name)]
    run.finish(as_json(results), run.hashes(files))
    return distilled_student(run.path, results)


def _write_students(
    options: DistillOptions,
    parts: _Parts,
    trained: Trained,
    before: float | None,
    accuracies: tuple[float, ...],
    run: RunFolder,
) -> None:
    """Both student folders, each with how its weights were trained and what they reach."""
    origin, teacher_counts = _origin(parts, options), _teacher_counts(parts)
    teachers = tuple(
        TeacherRecord(name=teacher.name, sha256=teacher.sha256, accuracy_test=accuracy)
        for teacher, accuracy in zip(parts.teachers, accuracies, strict=True)
    )
    recipe = options.recipe
    for name, state, reached in (
        (STUDENT_FOLDER, trained.last_state, trained.last),
        (BEST_STUDENT_FOLDER, trained.best_state, trained.best),
    ):
        training = TrainingRecord(
            method=options.method.name,
            init=options.init,
            teachers=teachers,
            via=options.via or "",
            step=reached.step,
            epoch=reached.epoch,
            epochs=recipe.epochs,
            steps=recipe.steps,
            batch=recipe.batch,
            rate=recipe.rate,
            schedule=recipe.schedule,
            weight_decay=recipe.weight_decay,
            seed=options.compute.seed,
            augment=str(parts.data.augmentation),
            accuracy_before=before,
            accuracy_held_out=reached.accuracy_held_out,
            accuracy_test=reached.accuracy_test,
        )
        folder = run.path / name
        write_trained(parts.student, folder, state, origin=origin, teacher_counts=teacher_counts, training=training)


def _origin(parts: _Parts, options: DistillOptions) -> Origin:
    """Where a network by name comes from; a found student keeps what its folder says."""
    data, teachers = parts.data, parts.teachers
    return Origin(
        teacher=teachers[0].name if teachers else "",
        teacher_sha256=teachers[0].sha256 if teachers else "",
        data=data.dataset.name,
        data_sha256=data.dataset.fingerprint,
        classes=data.dataset.classes,
        mean=data.normalization.mean,
        std=data.normalization.std,
        architecture=str(options.student),
    )


def _teacher_counts(parts: _Parts) -> Counts:
    """The first teacher's cost; the student's own where nobody teaches it."""
    if not parts.teachers:
        return parts.student.counts
    return count_everything(parts.teachers[0].module.cpu(), parts.teachers[0].network)


def _configuration(
    options: DistillOptions, chosen: ChosenMethod, parts: _Parts, runtime: Runtime
) -> DistillConfiguration:
    return DistillConfiguration(
        student=parts.student.name,
        method=options.method.name,
        teachers=tuple(
            NamedTeacher(name=teacher.name, sha256=teacher.sha256, logits=stated_output(teacher.logits))
            for teacher in parts.teachers
        ),
        terms=terms_as_json(chosen),
        data=data_facts(parts.data),
        init=options.init,
        precision=runtime.precision,
        seed=options.compute.seed,
        recipe=options.recipe,
        logits=stated_output(parts.student.logits),
        student_sha256=parts.student.sha256,
        via=options.via,
        row=options.row or None,
    )
