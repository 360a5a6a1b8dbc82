"""The distill job: teach a found student what its teacher knows, by labels and softened outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studentsearch.data.batches import Normalization
from studentsearch.distill.soft_targets import soft_target_loss
from studentsearch.divergence import distillation_kl
from studentsearch.engine.progress import Progress, SilentProgress
from studentsearch.engine.runtime import Runtime, open_runtime
from studentsearch.errors import RunFolderError, UsageError
from studentsearch.jobs.opening import (
    OpenedData,
    OpenedModel,
    data_facts,
    environment_facts,
    judge,
    open_data,
    open_model,
)
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.training import Judged, Training, TrainingRecipe
from studentsearch.runs.files import JsonValue, file_sha256
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.manifest import Manifest, read_manifest
from studentsearch.student.build import build
from studentsearch.student.folder import WEIGHTS_NAME, StoredStudent, is_student_folder, read_student, rewrite_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillOptions:
    """What a user chooses when distilling.

    Attributes:
        source: A search run, or one student folder inside it.
        out: The run folder.
        budget: Which of a search's students, by its label (`90M`); None means the smallest.
        init: `scratch` starts from fresh weights (the published way), `inherit` from those the student was cut with.
        temperature: Of the softened outputs.
        hard_weight: lambda, the weight of the labels; the teacher has the rest.
        squared_temperature: Whether the teacher's term is multiplied by temperature^2.
        data_root: Where named data lie; None means as in the search.
        compute: Device, precision, threads, seed.
        recipe: How the student is trained.
    """

    source: Path
    out: Path
    budget: str | None = None
    init: Literal["scratch", "inherit"] = "scratch"
    temperature: float = 4.0
    hard_weight: float = 0.1
    squared_temperature: bool = True
    data_root: Path | None = None
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything, before a run folder is made.

        Raises:
            UsageError: The temperature is not positive, or the labels' weight outside 0..1.
        """
        if not 0 < self.temperature < math.inf or not 0 <= self.hard_weight <= 1:
            raise UsageError(
                f"found temperature {self.temperature} and lambda {self.hard_weight}; expected a number above 0 (4 is "
                "usual) and a share from 0 to 1 (0.1 is usual)"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilledStudent:
    """What a distillation left, accuracies in percent.

    Attributes:
        folder: The student folder with the last weights.
        before: Test accuracy of the student as it was cut.
        teacher: Test accuracy of the teacher.
        last: Where training ended.
        best: Where it was best on the held-out images.
    """

    folder: Path
    before: float
    teacher: float
    last: Judged
    best: Judged


def distill(options: DistillOptions, progress: Progress | None = None) -> DistilledStudent:
    """Distil a found student; teacher and data are those of its search.

    Args:
        options: The search run or student folder, start, terms, recipe, run folder.
        progress: Hears of every step; None for silence.

    Returns:
        Accuracies, and where the student lies: OUT/student (last) and OUT/student-best.
    """
    listener = progress or SilentProgress()
    runtime = open_runtime(options.compute.device, options.compute.precision, options.compute.threads)
    run_path, student_path = locate_student(options.source, options.budget)
    manifest = read_manifest(run_path)
    student = read_student(student_path)
    data, teacher = _open_teacher(manifest, options.data_root, student)
    module = _start(student, options)
    training = Training(
        module,
        _Terms(teacher.module.to(runtime.device), runtime, options),
        options.recipe,
        data,
        phase="distill",
        seed=options.compute.seed,
        runtime=runtime,
        progress=listener,
    )
    facts = environment_facts(runtime, options.compute.seed) | {"data": data_facts(data), "student": str(student_path)}
    configuration = _configuration(options, student_path, teacher, data, runtime)
    with RunFolder.open(options.out, kind="distill", configuration=configuration, facts=facts) as run:
        trained = training.run(run)
        rewrite_weights(student_path, run.path / "student", trained.last_state)
        rewrite_weights(student_path, run.path / "student-best", trained.best_state)
        test = data.dataset.test
        before = judge(student.module.to(runtime.device), test, data.normalization, runtime).accuracy
        teacher_accuracy = judge(teacher.module, test, data.normalization, runtime).accuracy
        run.finish({
            "last": asdict(trained.last),
            "best": asdict(trained.best),
            "before": {"accuracy_test": before},
            "teacher": {"accuracy_test": teacher_accuracy},
            "student": student.config["counts"],
        })
    return DistilledStudent(
        folder=options.out / "student", before=before, teacher=teacher_accuracy, last=trained.last, best=trained.best
    )


def default_training_recipe(init: Literal["scratch", "inherit"]) -> TrainingRecipe:
    """How a student is usually trained: as published from scratch, briefly and gently from inherited weights.

    Args:
        init: Where training starts.

    Returns:
        The recipe.
    """
    if init == "scratch":
        return TrainingRecipe()
    return TrainingRecipe(epochs=10, batch=64, rate=0.02, schedule="cosine")


def locate_student(source: Path, budget: str | None) -> tuple[Path, Path]:
    """The search run and the student folder that a user's path means.

    Args:
        source: A search run, or a student folder in one.
        budget: Label of a student; None means the smallest.

    Returns:
        The run's path and the student's.

    Raises:
        UsageError: No such student in the run, or a student folder outside any search run.
        RunFolderError: The run's manifest is damaged.
    """
    if is_student_folder(source):
        run = next((parent for parent in source.resolve().parents if (parent / "manifest.json").is_file()), None)
        if run is None:
            raise UsageError(f"{source} lies in no search run, so its teacher is unknown; give the run folder")
        return run, source
    results = read_manifest(source).results
    students = results.get("students")
    if not isinstance(students, list) or not students:
        raise UsageError(
            f"{source} holds no finished search; run the search to its end, or give a student folder inside it"
        )
    folders: dict[str, Path] = {}
    for student in students:
        if not isinstance(student, Mapping) or not {"label", "folder"} <= student.keys():
            raise RunFolderError(
                f"{source}: its manifest's results name a student without label or folder; search anew"
            )
        folders[str(student["label"])] = source / str(student["folder"])
    label = budget or next(reversed(folders))
    if label not in folders:
        raise UsageError(f"{source} has no student {label}; it has {', '.join(folders)}")
    return source, folders[label]


class _Terms:
    """Labels and softened teacher outputs, mixed."""

    def __init__(self, teacher: nn.Module, runtime: Runtime, options: DistillOptions) -> None:
        self._teacher, self._runtime, self._options = teacher, runtime, options

    def __call__(self, logits: Tensor, inputs: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        options = self._options
        with torch.no_grad(), self._runtime.autocast():
            teacher_logits = self._teacher(inputs)
        loss = soft_target_loss(
            logits,
            teacher_logits,
            labels,
            hard_weight=options.hard_weight,
            temperature=options.temperature,
            squared_temperature=options.squared_temperature,
        )
        with torch.no_grad():
            return {
                "loss": loss,
                "cross_entropy": F.cross_entropy(logits.float(), labels),
                "kl": distillation_kl(logits, teacher_logits, temperature=options.temperature),
            }


def _start(student: StoredStudent, options: DistillOptions) -> nn.Module:
    """The student's module: with the weights it was cut with, or fresh ones."""
    if options.init == "inherit":
        return _inherited(student)
    torch.manual_seed(options.compute.seed)
    module = build(student.spec)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return module


def _inherited(student: StoredStudent) -> nn.Module:
    """A module of its own with the student's weights, so that training leaves the stored one as it was."""
    module = build(student.spec)
    module.load_state_dict(student.module.state_dict())
    return module


def _open_teacher(manifest: Manifest, data_root: Path | None, student: StoredStudent) -> tuple[OpenedData, OpenedModel]:
    """Teacher and images of the search, and the word where either is no longer what it was."""
    if manifest.kind != "search":
        raise UsageError(f"found a run of kind {manifest.kind}; expected a search run")
    facts, data_facts_then = manifest.facts.get("teacher"), manifest.configuration.get("data")
    if not isinstance(facts, Mapping) or not isinstance(data_facts_then, Mapping):
        raise RunFolderError("the search's manifest names no teacher or no data; expected both; search anew")
    root = data_root or (None if facts["data_root"] is None else Path(str(facts["data_root"])))
    size = facts["image_size"]
    options = DataOptions(
        name=student.origin.data,
        data_root=root,
        image_size=None if size is None else int(str(size)),
        augment=str(data_facts_then["augment"]),
    )
    name = student.origin.teacher
    data = open_data(options, name, Normalization(mean=student.origin.mean, std=student.origin.std))
    if data.dataset.fingerprint != student.origin.data_sha256:
        raise UsageError(f"the data {student.origin.data} are not those of the search; distil with the images it saw")
    weights = None if facts["weights"] is None else Path(str(facts["weights"]))
    teacher = open_model(name, weights, data, options)
    if teacher.sha256 != student.origin.teacher_sha256:
        raise UsageError(f"the weights of teacher {name} are not those of the search; put the same file back")
    return data, teacher


def _configuration(
    options: DistillOptions, student_path: Path, teacher: OpenedModel, data: OpenedData, runtime: Runtime
) -> dict[str, JsonValue]:
    return {
        "student_sha256": file_sha256(student_path / WEIGHTS_NAME),
        "teacher_sha256": teacher.sha256,
        "data": data_facts(data),
        "init": options.init,
        "temperature": options.temperature,
        "hard_weight": options.hard_weight,
        "squared_temperature": options.squared_temperature,
        "precision": runtime.precision,
        "seed": options.compute.seed,
        "recipe": options.recipe.as_json(),
    }
