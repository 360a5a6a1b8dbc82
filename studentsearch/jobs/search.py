"""The search job: a trained teacher goes in, students within their budgets come out, cut and proved."""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
from torch import nn

from studentsearch.data.batches import Batches, normalize
from studentsearch.decoding import as_json
from studentsearch.disk import real_path
from studentsearch.engine.evaluate import Evaluation
from studentsearch.engine.loop import run_steps
from studentsearch.engine.runtime import Runtime, open_runtime
from studentsearch.errors import BudgetNotReachedError, DivergedError
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.jobs.budgets import budgets_in_macs
from studentsearch.jobs.chance import chance
from studentsearch.jobs.checks import require_search
from studentsearch.jobs.gating import gating_lines
from studentsearch.jobs.opening import (
    OpenedData,
    OpenedModel,
    data_facts,
    judge,
    open_data,
    open_model,
    published_normalization,
    run_facts,
)
from studentsearch.jobs.outputs import stated_output
from studentsearch.jobs.search_options import SearchOptions
from studentsearch.jobs.search_state import SearchState
from studentsearch.jobs.snapshot import TeacherFacts, search_origin, write_snapshot
from studentsearch.jobs.teachers import check_teachers
from studentsearch.progress import Progress, SilentProgress
from studentsearch.records.configuration import SearchConfiguration
from studentsearch.records.facts import SearchTeacher
from studentsearch.records.metrics import SearchRow, cells
from studentsearch.records.names import STUDENTS_FOLDER
from studentsearch.records.results import FoundStudent, NetworkFacts, RollBack, SearchResults
from studentsearch.runs.folder import DAMAGED_CURE, RunFolder
from studentsearch.runs.hold import hold_run_folder
from studentsearch.runs.manifest import changed_files, decode_part
from studentsearch.runs.tensors import require_fit
from studentsearch.search.floor import smallest_macs
from studentsearch.search.rush import RushError
from studentsearch.search.stall import SearchPoint, StallPlan, StallWatch
from studentsearch.search.stepper import SearchStepper, StepFacts
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import student_files
from studentsearch.units import budget_label, format_count

_OVERTIME = 2
_STATISTICS_BATCH = 128


def search(options: SearchOptions, progress: Progress | None = None) -> tuple[FoundStudent, ...]:
    """Search students within one or several budgets.

    Args:
        options: Teacher, budgets, images, recipe, run folder.
        progress: Hears of every step; None for silence.

    Returns:
        One student a budget, the largest budget first.

    Raises:
        UsageError: Options that cannot mean anything.
        BudgetNotReachedError: The search ended above its last budget, or fell far under one in a rush; give more steps
            or a lower rate of the gates.
        DivergedError: Nothing can be learnt from the teacher, or loss, weights or gates are not finite, or the student
            is at chance, after one roll-back at half the rates as well; lower the rates.
    """
    require_search(
        teacher=options.teacher,
        weights=options.weights,
        budgets=options.budgets,
        data=options.data,
        compute=options.compute,
        out=options.out,
    )
    with hold_run_folder(options.out):
        return _held_search(options, progress or SilentProgress())


def _held_search(options: SearchOptions, listener: Progress) -> tuple[FoundStudent, ...]:
    runtime = open_runtime(options.compute.device, options.compute.precision, options.compute.threads)
    data = open_data(
        options.data, options.teacher, published_normalization(options.teacher, options.weights, options.data), listener
    )
    teacher = open_model(options.teacher, options.weights, data, options.data, listener, options.skip, options.logits)
    job = _Search(options, data, teacher, runtime, listener)
    check_teachers((teacher,), data, runtime, listener, temperature=options.recipe.objective.compared_temperature)
    facts = run_facts(runtime, options.compute.seed, data, teacher=job.teacher_facts())
    run = RunFolder.begin(options.out, kind="search", configuration=as_json(job.configuration()), facts=as_json(facts))
    return job.run(run)


class _Search:
    """One search: what is fixed, what moves, and what was found so far."""

    def __init__(
        self, options: SearchOptions, data: OpenedData, teacher: OpenedModel, runtime: Runtime, progress: Progress
    ) -> None:
        self._options, self._data, self._runtime, self._progress = options, data, runtime, progress
        self._recipe, self._teacher = options.recipe, teacher
        gated = GatedNetwork.of(teacher.network)
        self._facts = TeacherFacts(
            gated=gated,
            state={name: tensor.detach().clone() for name, tensor in teacher.module.state_dict().items()},
            counts=count_everything(teacher.module, teacher.network),
            origin=search_origin(teacher, data),
        )
        self._budgets = budgets_in_macs(options.budgets, self._facts.counts.macs, smallest_macs(gated))
        self._batches = self._make_batches("search", options.recipe.batch)
        self._seconds = 0.0
        self._begin(rate_factor=1.0)

    def _begin(self, *, rate_factor: float) -> None:
        """Stand at the teacher, before the first step."""
        recipe = self._recipe.slowed(rate_factor)
        self._stepper = SearchStepper(
            self._teacher.module.to(self._runtime.device),
            self._facts.gated,
            recipe,
            budget_macs=self._budgets[-1],
            runtime=self._runtime,
        )
        self._watch = StallWatch(
            StallPlan(
                pace=self._stepper.pace,
                rate=recipe.gate_rate,
                mean_weight=self._stepper.mean_weight,
                nonnegative=recipe.nonnegative,
            )
        )
        self._rate_factor, self._step = rate_factor, 0
        self._least_macs = self._facts.counts.macs
        self._found: list[FoundStudent] = []
        self._files: dict[str, str] = {}

    def configuration(self) -> SearchConfiguration:
        """Everything that decides the outcome."""
        return SearchConfiguration(
            teacher=self._teacher.name,
            teacher_sha256=self._teacher.sha256,
            logits=stated_output(self._teacher.logits),
            data=data_facts(self._data),
            budgets_macs=self._budgets,
            precision=self._runtime.precision,
            seed=self._options.compute.seed,
            recipe=as_json(self._recipe),
            skip=self._options.skip,
        )

    def teacher_facts(self) -> SearchTeacher:
        """The teacher as later jobs open it again."""
        weights, data = self._options.weights, self._options.data
        return SearchTeacher(
            name=self._teacher.name,
            weights=None if weights is None else str(real_path(weights)),
            sha256=self._teacher.sha256,
            data_root=None if data.data_root is None else str(real_path(data.data_root)),
            image_size=data.image_size,
            macs=self._facts.counts.macs,
            parameters=self._facts.counts.parameters,
            logits=stated_output(self._teacher.logits),
        )

    def run(self, run: RunFolder) -> tuple[FoundStudent, ...]:
        """Search until every budget is met."""
        if run.is_finished(self._progress.say):
            return decode_part(run.path, "results", run.manifest.results, SearchResults).students
        self._continue(run)
        self._announce()
        self._take_steps(run)
        run.finish(as_json(self._results()), self._files)
        return tuple(self._found)

    def _take_steps(self, run: RunFolder) -> None:
        last = self._recipe.steps if self._recipe.penalty is not None else math.ceil(self._recipe.steps * _OVERTIME)
        while not self._is_done and self._step < last:  # again where it went back
            self._progress.begin("search", total=self._recipe.steps, first=self._step)
            run_steps(
                first=self._step,
                last=last,
                take_step=lambda number: self._take_step(number, run),
                save=lambda _: self._save(run),
                how_to_continue=f"the same command with --out {run.path}",
            )
            self._progress.end()
        if not self._is_done:
            raise BudgetNotReachedError(self._why_not(self._step))

    @property
    def _is_done(self) -> bool:
        return len(self._found) == len(self._budgets)

    def _take_step(self, step: int, run: RunFolder) -> bool:
        """One step and its students; True where the search is over or went back to the start."""
        try:
            return self._advance(step, run)
        except (DivergedError, RushError) as error:
            self._go_back(error, run)
            return True

    def _go_back(self, error: DivergedError | RushError, run: RunFolder) -> None:
        """Return to the start, with half the rates of gates and weights; that error where they were halved before."""
        if not self._stepper.num_steps:
            raise DivergedError(f"{error}; no step was taken yet, so look at the teacher and --temperature") from error
        if self._rate_factor < 1:
            raise type(error)(
                f"{error}; so it was at the rates given and at half of them; {self._recipe.cure}"
            ) from error
        self._begin(rate_factor=0.5)
        self._progress.say(f"{error}; going back to the start with half the rates of gates and weights")
        run.rewind_metrics(after_step=0)
        for _ in range(2):  # both that are kept: an older one belongs to rows that are about to go
            self._save(run)

    def _advance(self, step: int, run: RunFolder) -> bool:
        started = time.perf_counter()
        batch = self._batches.batch(step - 1)
        facts = self._stepper.step(step, batch.inputs, batch.labels)
        self._step = step
        seconds = time.perf_counter() - started
        self._seconds += seconds
        self._least_macs = min(self._least_macs, facts.macs)
        self._record(step, facts, run, images_per_second=len(batch.labels) / seconds)
        while not self._is_done and facts.macs <= self._budgets[len(self._found)]:
            rush = self._stepper.rush_words(self._budgets[len(self._found)])
            if rush is not None:
                self._progress.say(f"warning: {rush}; a lower --gate-rate or more --steps land nearer")
            self._found.append(self._snapshot(step, run))
        return self._is_done

    def _record(self, step: int, facts: StepFacts, run: RunFolder, *, images_per_second: float) -> None:
        is_kl = self._recipe.objective.kind == "kd"
        row = SearchRow(
            step=step,
            loss=facts.loss,
            kl=facts.loss if is_kl else None,
            macs=facts.macs,
            target_macs=round(facts.target_macs),
            l2=facts.penalty,
            open_share=facts.open_share,
            gate_mean=facts.gate_mean,
            rate=facts.rate,
            images_per_second=images_per_second,
            seconds=self._seconds,
        )
        run.append_metrics(cells(row))
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
                penalty=facts.penalty,
            )
        )
        if warning is not None:
            self._progress.say(warning)

    def _require_knowledge(self, label: str, held_out: Evaluation) -> None:
        """Refuse a student at chance that the search itself ruined; warn of any other."""
        guessing = chance(self._data.split.held_out.labels)
        if not guessing.explains(held_out):
            return
        reason = f"step {self._step}: {label}: {guessing.words(held_out)}"
        is_ruined = self._stepper.standing >= 1 or guessing.is_far_from(held_out.loss)
        if is_ruined and not guessing.explains(self._judge_held_out(self._teacher.module)):
            raise DivergedError(f"{reason}, while its teacher is not")
        self._progress.say(f"warning: {reason}; distil it from scratch, or search with more --steps")

    def _judge_held_out(self, network: nn.Module) -> Evaluation:
        return judge(network, self._data.split.held_out, self._data.normalization, self._runtime, self._teacher.logits)

    def _snapshot(self, step: int, run: RunFolder) -> FoundStudent:
        budget, macs = self._budgets[len(self._found)], self._stepper.macs
        label = budget_label(budget)
        folder = Path(STUDENTS_FOLDER) / label
        if not self._stepper.image_reaches_output():
            raise BudgetNotReachedError(
                f"step {step}: the open gates leave no path from the image to the output; "
                "take smaller steps (--gate-rate)"
            )
        self._progress.say(f"step {step}: {format_count(macs)} is within {label}; cutting and evaluating the student")
        statistics = self._make_batches("statistics", _STATISTICS_BATCH)
        student = write_snapshot(
            run.path / folder,
            self._stepper.module,
            self._stepper.iterate,
            self._facts,
            images=(statistics.batch(number).inputs for number in range(self._recipe.batches_for_statistics)),
            probe=normalize(self._data.split.held_out.pixels[:4], self._data.normalization),
            runtime=self._runtime,
        )
        student = student.to(self._runtime.device).to(memory_format=torch.channels_last)
        held_out = self._judge_held_out(student)
        self._require_knowledge(label, held_out)
        test = judge(student, self._data.dataset.test, self._data.normalization, self._runtime, self._teacher.logits)
        self._progress.say(f"{label}: {test.accuracy:.2f} % on the test images before distilling")
        self._files |= run.hashes(student_files(run.path / folder))
        return FoundStudent(
            label=label,
            folder=folder.as_posix(),
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
        full = self._facts.counts.macs
        self._progress.say(
            f"teacher {self._teacher.name}: {full:,} multiply-accumulates an image; to keep: {budgets} "
            f"({self._budgets[-1] / full:.1%}); {self._runtime.name()}"
        )
        for line in gating_lines(self._facts.gated, size_step=self._teacher.size_step):
            self._progress.say(line)

    def _why_not(self, step: int) -> str:
        budget = self._budgets[len(self._found)]
        return (
            f"the search ended at step {step} with {format_count(self._stepper.macs)} multiply-accumulates (the least "
            f"was {format_count(self._least_macs)}), above the budget of {format_count(budget)}; {len(self._found)} of "
            f"{len(self._budgets)} students are written; give more --steps, or a larger --penalty where it is constant"
        )

    def _results(self) -> SearchResults:
        counts = self._facts.counts
        return SearchResults(
            students=tuple(self._found),
            teacher=NetworkFacts(macs=counts.macs, parameters=counts.parameters),
            roll_back=None if self._rate_factor == 1 else RollBack(to_step=0, rate_factor=self._rate_factor),
        )

    def _save(self, run: RunFolder) -> None:
        state = SearchState(
            seconds=self._seconds,
            least_macs=self._least_macs,
            found=tuple(self._found),
            files=self._files,
            rate_factor=self._rate_factor,
        )
        run.save_checkpoint(self._step, self._stepper.state_dict(), state)

    def _continue(self, run: RunFolder) -> None:
        checkpoint = run.load_checkpoint(SearchState, self._progress.say)
        if checkpoint is None:
            return
        state, step = checkpoint.facts, checkpoint.step
        changed = changed_files(run.path, state.files)
        if state.has_earlier(changed, step):
            # The gates have moved on since: only the same steps lead there again.
            self._progress.say(f"warning: {changed[0]}, of a student of an earlier step; this search begins again")
            run.begin_again()
            return
        self._begin(rate_factor=state.rate_factor)
        expected = self._stepper.expected(checkpoint.tensors)
        require_fit(checkpoint.tensors, expected, source=str(checkpoint.file), cure=DAMAGED_CURE)
        self._stepper.load_state_dict(checkpoint.tensors)
        self._seconds, self._least_macs, self._files = state.seconds, state.least_macs, dict(state.files)
        self._step = step
        self._found = [student for student in state.found if student.step < step or not changed]
        while len(self._found) < len(state.found):
            self._found.append(self._snapshot(step, run))
