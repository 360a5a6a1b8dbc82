"""The search job: a trained teacher goes in, students within their budgets come out, cut and proved."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from studentsearch.data.batches import Batches, normalize
from studentsearch.engine.loop import run_steps
from studentsearch.engine.runtime import Runtime, open_runtime
from studentsearch.errors import BudgetNotReachedError, UsageError
from studentsearch.graph.gates import gate_sites
from studentsearch.jobs.checks import require_search
from studentsearch.jobs.gating import gating_lines
from studentsearch.jobs.opening import (
    OpenedData,
    OpenedModel,
    data_facts,
    environment_facts,
    judge,
    open_data,
    open_model,
    published_normalization,
)
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.jobs.outputs import logits_configuration
from studentsearch.jobs.snapshot import TeacherFacts, write_snapshot
from studentsearch.progress import Progress, SilentProgress
from studentsearch.runs.files import JsonValue
from studentsearch.runs.folder import RunFolder
from studentsearch.search.controller import SearchPoint, StallPlan, StallWatch
from studentsearch.search.floor import smallest_macs
from studentsearch.search.recipe import SearchRecipe
from studentsearch.search.stepper import SearchStepper, StepFacts
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import Origin
from studentsearch.units import budget_label, format_count, parse_budget

_OVERTIME = 2
_STATISTICS_BATCH = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What a user chooses for a search.

    Attributes:
        teacher: Registry name, `python:module:function` or a student folder.
        budgets: What is kept, in words: `90M`, `30%`.
        out: The run folder.
        weights: The teacher's weights; None means embedded or published ones.
        data: The images.
        compute: Device, precision, threads, seed.
        recipe: How the search moves.
        skip: Patterns of module paths that are left whole.
        logits: Name or position of the output that is searched with; None means the weights' own, or the usual one.
    """

    teacher: str
    budgets: tuple[str, ...]
    out: Path
    weights: Path | None = None
    data: DataOptions = field(default_factory=DataOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    recipe: SearchRecipe = field(default_factory=SearchRecipe)
    skip: tuple[str, ...] = ()
    logits: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStudent:
    """One student of a search.

    Attributes:
        label: Its budget in short, `90M`.
        folder: Its folder, relative to the run's.
        budget_macs: The budget.
        macs: What it costs.
        step: The step at which the count first was within the budget.
        seconds: Time of search until then, evaluations left out.
        accuracy_held_out: Top-1 in percent on the held-out training images, which the teacher may know by heart.
        accuracy_test: Top-1 in percent on the test images, before any distilling.
    """

    label: str
    folder: str
    budget_macs: int
    macs: int
    step: int
    seconds: float
    accuracy_held_out: float
    accuracy_test: float


def search(options: SearchOptions, progress: Progress | None = None) -> tuple[FoundStudent, ...]:
    """Search students within one or several budgets.

    Args:
        options: Teacher, budgets, images, recipe, run folder.
        progress: Hears of every step; None for silence.

    Returns:
        One student a budget, the largest budget first.

    Raises:
        UsageError: Options that cannot mean anything.
        BudgetNotReachedError: The search ended above its last budget.
        DivergedError: The loss is no longer finite.
    """
    listener = progress or SilentProgress()
    require_search(
        teacher=options.teacher,
        weights=options.weights,
        budgets=options.budgets,
        data=options.data,
        compute=options.compute,
        out=options.out,
    )
    runtime = open_runtime(options.compute.device, options.compute.precision, options.compute.threads)
    data = open_data(
        options.data, options.teacher, published_normalization(options.teacher, options.weights, options.data), listener
    )
    teacher = open_model(options.teacher, options.weights, data, options.data, listener, options.skip, options.logits)
    job = _Search(options, data, teacher, runtime, listener)
    facts = environment_facts(runtime, options.compute.seed) | {
        "data": data_facts(data),
        "teacher": job.teacher_facts(),
    }
    with RunFolder.open(options.out, kind="search", configuration=job.configuration(), facts=facts) as run:
        return job.run(run)


class _Search:
    """One search: what is fixed, what moves, and what was found so far."""

    def __init__(
        self, options: SearchOptions, data: OpenedData, teacher: OpenedModel, runtime: Runtime, progress: Progress
    ) -> None:
        self._options, self._data, self._runtime, self._progress = options, data, runtime, progress
        self._recipe, self._teacher = options.recipe, teacher
        network, sites = teacher.network, gate_sites(teacher.network)
        self._facts = TeacherFacts(
            network=network,
            sites=sites,
            state={name: tensor.detach().clone() for name, tensor in teacher.module.state_dict().items()},
            counts=count_everything(teacher.module, network),
            origin=_origin(teacher, data),
        )
        self._budgets = _budgets(options.budgets, self._facts.counts.macs, smallest_macs(network, sites))
        self._stepper = SearchStepper(
            teacher.module.to(runtime.device),
            network,
            sites,
            options.recipe,
            budget_macs=self._budgets[-1],
            runtime=runtime,
        )
        self._watch = StallWatch(
            StallPlan(
                pace=self._stepper.pace,
                rate=options.recipe.gate_rate,
                mean_weight=self._stepper.mean_weight,
                nonnegative=options.recipe.nonnegative,
            )
        )
        self._batches = self._make_batches("search", options.recipe.batch)
        self._seconds = 0.0
        self._least_macs = self._facts.counts.macs
        self._found: list[FoundStudent] = []

    def configuration(self) -> dict[str, JsonValue]:
        """Everything that decides the outcome."""
        return {
            "teacher": self._teacher.name,
            "teacher_sha256": self._teacher.sha256,
            **logits_configuration(self._teacher.logits),
            "data": data_facts(self._data),
            "budgets_macs": list(self._budgets),
            "precision": self._runtime.precision,
            "seed": self._options.compute.seed,
            "recipe": self._recipe.as_json(),
            "skip": list(self._options.skip),
        }

    def teacher_facts(self) -> dict[str, JsonValue]:
        """The teacher as later jobs open it again."""
        weights, data = self._options.weights, self._options.data
        return {
            "name": self._teacher.name,
            "weights": None if weights is None else str(weights.resolve()),
            "sha256": self._teacher.sha256,
            "data_root": None if data.data_root is None else str(data.data_root.resolve()),
            "image_size": data.image_size,
            "macs": self._facts.counts.macs,
            "parameters": self._facts.counts.parameters,
            **logits_configuration(self._teacher.logits),
        }

    def run(self, run: RunFolder) -> tuple[FoundStudent, ...]:
        """Search until every budget is met."""
        first = self._continue(run)
        if self._is_done:
            if not run.is_complete:
                run.finish(self._results())
            self._progress.say(f"{run.path}: this search is complete already")
            return tuple(self._found)
        self._announce()
        self._progress.begin("search", total=self._recipe.steps, first=first)
        step = run_steps(
            first=first,
            last=self._recipe.steps if self._recipe.l2 is not None else math.ceil(self._recipe.steps * _OVERTIME),
            take_step=lambda number: self._take_step(number, run),
            save=lambda number: self._save(number, run),
            how_to_continue=f"the same command with --out {run.path}",
        )
        self._progress.end()
        if not self._is_done:
            raise BudgetNotReachedError(self._why_not(step))
        run.finish(self._results())
        return tuple(self._found)

    @property
    def _is_done(self) -> bool:
        return len(self._found) == len(self._budgets)

    def _take_step(self, step: int, run: RunFolder) -> bool:
        started = time.perf_counter()
        batch = self._batches.batch(step - 1)
        facts = self._stepper.step(step, batch.inputs, batch.labels)
        seconds = time.perf_counter() - started
        self._seconds += seconds
        self._least_macs = min(self._least_macs, facts.macs)
        self._record(step, facts, run, images_per_second=len(batch.labels) / seconds)
        while not self._is_done and facts.macs <= self._budgets[len(self._found)]:
            self._found.append(self._snapshot(step, run))
        return self._is_done

    def _record(self, step: int, facts: StepFacts, run: RunFolder, *, images_per_second: float) -> None:
        is_kl = self._recipe.objective.kind == "kd"
        run.append_metrics({
            "step": step,
            "loss": facts.loss,
            "kl": facts.loss if is_kl else None,
            "macs": facts.macs,
            "target_macs": round(facts.target_macs),
            "l2": facts.l2,
            "open_share": facts.open_share,
            "gate_mean": facts.gate_mean,
            "rate": facts.rate,
            "images_per_second": images_per_second,
            "seconds": self._seconds,
        })
        told: dict[str, float | int | str] = {
            "kl" if is_kl else "loss": facts.loss,
            "macs": facts.macs,
            "budget_macs": self._budgets[min(len(self._found), len(self._budgets) - 1)],
            "closed_share": 1 - facts.open_share,
            "images_per_second": images_per_second,
        }
        self._progress.advance(step, told)
        warning = self._watch.observe(
            SearchPoint(
                step=step,
                macs=facts.macs,
                gate_mean=facts.mean_of_all,
                negative_share=facts.negative_share,
                l2=facts.l2,
            )
        )
        if warning is not None:
            self._progress.say(warning)

    def _snapshot(self, step: int, run: RunFolder) -> FoundStudent:
        budget, macs = self._budgets[len(self._found)], self._stepper.macs
        label = budget_label(budget)
        folder = Path("students") / label
        if not self._stepper.image_reaches_output():
            raise BudgetNotReachedError(
                f"step {step}: the open gates leave no path from the image to the output; "
                "take smaller steps (--gate-rate)"
            )
        self._progress.say(f"step {step}: {format_count(macs)} is within {label}; cutting and judging the student")
        statistics = self._make_batches("statistics", _STATISTICS_BATCH)
        student = write_snapshot(
            run.path / folder,
            self._stepper.module,
            self._stepper.gates,
            self._facts,
            images=(statistics.batch(number).inputs for number in range(self._recipe.batches_for_statistics)),
            probe=normalize(self._data.split.held_out.pixels[:4], self._data.normalization),
            runtime=self._runtime,
        )
        student = student.to(self._runtime.device).to(memory_format=torch.channels_last)
        how = self._data.normalization, self._runtime, self._teacher.logits
        held_out, test = (judge(student, it, *how) for it in (self._data.split.held_out, self._data.dataset.test))
        self._progress.say(f"{label}: {test.accuracy:.2f} % on the test images before distilling")
        return FoundStudent(
            label=label,
            folder=str(folder),
            budget_macs=budget,
            macs=macs,
            step=step,
            seconds=round(self._seconds, 1),
            accuracy_held_out=held_out.accuracy,
            accuracy_test=test.accuracy,
        )

    def _make_batches(self, phase: str, batch_size: int) -> Batches:
        return Batches(
            self._data.split.train,
            batch_size=batch_size,
            seed=self._options.compute.seed,
            phase=phase,
            augmentation=self._data.augmentation,
            normalization=self._data.normalization,
            device=self._runtime.device,
        )

    def _announce(self) -> None:
        budgets = ", ".join(format_count(budget) for budget in self._budgets)
        full, sites = self._facts.counts.macs, self._facts.sites
        self._progress.say(
            f"teacher {self._teacher.name}: {full:,} multiply-accumulates an image; to keep: {budgets} "
            f"({self._budgets[-1] / full:.1%}); {self._runtime.name()}"
        )
        for line in gating_lines(self._facts.network, sites, size_step=self._teacher.size_step):
            self._progress.say(line)

    def _why_not(self, step: int) -> str:
        budget = self._budgets[len(self._found)]
        return (
            f"the search ended at step {step} with {format_count(self._stepper.macs)} multiply-accumulates (the least "
            f"was {format_count(self._least_macs)}), above the budget of {format_count(budget)}; {len(self._found)} of "
            f"{len(self._budgets)} students are written; give more --steps, or a larger --l2 where it is constant"
        )

    def _results(self) -> dict[str, JsonValue]:
        counts = self._facts.counts
        return {
            "students": [asdict(student) for student in self._found],
            "teacher": {"macs": counts.macs, "parameters": counts.parameters},
        }

    def _save(self, step: int, run: RunFolder) -> None:
        found: list[JsonValue] = [asdict(student) for student in self._found]
        facts: dict[str, JsonValue] = {"seconds": self._seconds, "least_macs": self._least_macs, "found": found}
        run.save_checkpoint(step, self._stepper.state_dict(), facts)

    def _continue(self, run: RunFolder) -> int:
        checkpoint = run.load_checkpoint()
        if checkpoint is None:
            return 0
        self._stepper.load_state_dict(checkpoint.tensors)
        found = checkpoint.facts["found"]
        assert isinstance(found, list)
        self._found = [_found_student(item) for item in found]
        self._seconds = _number(checkpoint.facts["seconds"])
        self._least_macs = int(_number(checkpoint.facts["least_macs"]))
        run.cut_metrics(after_step=checkpoint.step)
        return checkpoint.step


def _budgets(words: tuple[str, ...], full: int, smallest: int) -> tuple[int, ...]:
    """The budgets in multiply-accumulates, the largest first."""
    budgets = sorted({parse_budget(text, full_macs=full) for text in words}, reverse=True)
    if budgets[-1] < smallest:
        raise UsageError(
            f"a budget of {budgets[-1]:,} multiply-accumulates is below {smallest:,}, the least through which the "
            "image still reaches the output; give a larger one"
        )
    return tuple(budgets)


def _origin(teacher: OpenedModel, data: OpenedData) -> Origin:
    return Origin(
        teacher=teacher.name,
        teacher_sha256=teacher.sha256,
        data=data.dataset.name,
        data_sha256=data.dataset.fingerprint,
        classes=data.dataset.classes,
        mean=data.normalization.mean,
        std=data.normalization.std,
    )


def _number(value: JsonValue) -> float:
    assert isinstance(value, (int, float)), value
    return float(value)


def _found_student(value: JsonValue) -> FoundStudent:
    assert isinstance(value, Mapping)
    return FoundStudent(
        label=str(value["label"]),
        folder=str(value["folder"]),
        budget_macs=int(_number(value["budget_macs"])),
        macs=int(_number(value["macs"])),
        step=int(_number(value["step"])),
        seconds=_number(value["seconds"]),
        accuracy_held_out=_number(value["accuracy_held_out"]),
        accuracy_test=_number(value["accuracy_test"]),
    )
