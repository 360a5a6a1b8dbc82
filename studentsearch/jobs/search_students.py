"""The students of a search: cut where the count meets a budget, evaluated, refused at chance."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from studentsearch.data.batches import normalize
from studentsearch.data.dataset import Images
from studentsearch.engine.evaluate import Evaluation
from studentsearch.errors import BudgetNotReachedError, DivergedError
from studentsearch.jobs.chance_level import chance
from studentsearch.jobs.opening import evaluate_on
from studentsearch.jobs.search_subject import SearchSubject
from studentsearch.jobs.snapshot import write_snapshot
from studentsearch.progress import Progress
from studentsearch.records.names import STUDENTS_FOLDER
from studentsearch.records.results import FoundStudent
from studentsearch.search.stepper import SearchStepper
from studentsearch.units import budget_label, format_count

_STATISTICS_BATCH = 128
_PROBE_IMAGES = 4


def take_student(
    run: Path,
    subject: SearchSubject,
    stepper: SearchStepper,
    *,
    budget_macs: int,
    step: int,
    seconds: float,
    progress: Progress,
) -> FoundStudent:
    """Cut, write and evaluate the student that the open gates leave.

    Args:
        run: The run folder.
        subject: What is searched.
        stepper: The search, after a step whose count is within the budget.
        budget_macs: The budget.
        step: Number of that step.
        seconds: Time of search until its end.
        progress: Hears of it.

    Returns:
        What was found; its folder lies in the run's.

    Raises:
        BudgetNotReachedError: The open gates leave no path from the image to the output; take smaller steps.
        DivergedError: The search ruined it: it is at chance, while its teacher is not; lower the rates.
    """
    label = budget_label(budget_macs)
    folder = Path(STUDENTS_FOLDER) / label
    if not stepper.image_reaches_output():
        raise BudgetNotReachedError(
            f"step {step}: the open gates leave no path from the image to the output; take smaller steps (--gate-rate)"
        )
    progress.say(f"step {step}: {format_count(stepper.macs)} is within {label}; cutting and evaluating the student")
    student = _cut(run / folder, subject, stepper)
    held_out = _evaluate(student, subject.data.split.held_out, subject)
    _require_knowledge(f"step {step}: {label}", held_out, subject, stepper.standing, progress)
    test = _evaluate(student, subject.data.dataset.test, subject)
    progress.say(f"{label}: {test.accuracy:.2f} % on the test images before distilling")
    return FoundStudent(
        label=label,
        folder=folder.as_posix(),
        budget_macs=budget_macs,
        macs=stepper.macs,
        step=step,
        seconds=round(seconds, 1),
        accuracy_held_out=held_out.accuracy,
        accuracy_test=test.accuracy,
    )


def _cut(folder: Path, subject: SearchSubject, stepper: SearchStepper) -> nn.Module:
    statistics = subject.batches("statistics", _STATISTICS_BATCH)
    numbers = range(subject.options.recipe.batches_for_statistics)
    student = write_snapshot(
        folder,
        stepper.module,
        stepper.iterate,
        subject.facts,
        images=(statistics.batch(number).inputs for number in numbers),
        probe=normalize(subject.data.split.held_out.pixels[:_PROBE_IMAGES], subject.data.normalization),
        runtime=subject.runtime,
    )
    return student.to(subject.runtime.device).to(memory_format=torch.channels_last)


def _evaluate(network: nn.Module, images: Images, subject: SearchSubject) -> Evaluation:
    return evaluate_on(network, images, subject.data.normalization, subject.runtime, subject.teacher.logits)


def _require_knowledge(
    where: str, held_out: Evaluation, subject: SearchSubject, standing: float, progress: Progress
) -> None:
    """Refuse a student at chance that the search itself ruined; warn of any other."""
    images = subject.data.split.held_out
    guessing = chance(images.labels)
    if not guessing.explains(held_out):
        return
    reason = f"{where}: {guessing.words(held_out)}"
    is_ruined = standing >= 1 or guessing.is_far_from(held_out.loss)
    if is_ruined and not guessing.explains(_evaluate(subject.teacher.module, images, subject)):
        raise DivergedError(f"{reason}, while its teacher is not")
    progress.say(f"warning: {reason}; distil it from scratch, or search with more --steps")
