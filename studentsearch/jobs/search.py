"""The search job: a trained teacher goes in, students within their budgets come out, cut and proved."""

from __future__ import annotations

import math
import time

from studentsearch.decoding import as_json
from studentsearch.engine.loop import run_steps
from studentsearch.errors import BudgetNotReachedError, DivergedError
from studentsearch.jobs.checks import require_search
from studentsearch.jobs.opening import run_facts
from studentsearch.jobs.search_log import SearchLog
from studentsearch.jobs.search_options import SearchOptions
from studentsearch.jobs.search_state import SearchState
from studentsearch.jobs.search_students import take_student
from studentsearch.jobs.search_subject import SearchSubject
from studentsearch.jobs.teachers import check_teachers
from studentsearch.progress import Progress, SilentProgress
from studentsearch.records.results import FoundStudent, NetworkFacts, RollBack, SearchResults
from studentsearch.runs.folder import DAMAGED_CURE, RunFolder
from studentsearch.runs.hold import hold_run_folder
from studentsearch.runs.manifest import changed_files, decode_part
from studentsearch.runs.tensors import require_fit
from studentsearch.search.rush import RushError
from studentsearch.search.stepper import SearchStepper
from studentsearch.student.folder import student_files
from studentsearch.units import format_count

_OVERTIME = 2


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


def _held_search(options: SearchOptions, progress: Progress) -> tuple[FoundStudent, ...]:
    subject = SearchSubject.open(options, progress)
    temperature = options.recipe.objective.compared_temperature
    check_teachers((subject.teacher,), subject.data, subject.runtime, progress, temperature=temperature)
    facts = run_facts(subject.runtime, options.compute.seed, subject.data, teacher=subject.teacher_record())
    configuration = as_json(subject.configuration())
    run = RunFolder.begin(options.out, kind="search", configuration=configuration, facts=as_json(facts))
    if run.is_finished(progress.say):
        return decode_part(run.path, "results", run.manifest.results, SearchResults).students
    return _Search(subject, run, progress).run()


class _Search:
    """One search: what moves, and what was found so far."""

    def __init__(self, subject: SearchSubject, run: RunFolder, progress: Progress) -> None:
        self._subject, self._run, self._progress = subject, run, progress
        self._recipe, self._budgets = subject.options.recipe, subject.budgets
        self._batches = subject.batches("search", self._recipe.batch)
        self._seconds = 0.0
        self._begin(rate_factor=1.0)

    def _begin(self, *, rate_factor: float) -> None:
        """Stand at the teacher, before the first step."""
        recipe, subject = self._recipe.slowed(rate_factor), self._subject
        self._stepper = SearchStepper(
            subject.teacher.module.to(subject.runtime.device),
            subject.facts.gated,
            recipe,
            budget_macs=self._budgets[-1],
            runtime=subject.runtime,
        )
        self._log = SearchLog(self._stepper, recipe, self._progress)
        self._rate_factor, self._step = rate_factor, 0
        self._least_macs = subject.facts.counts.macs
        self._found: list[FoundStudent] = []
        self._files: dict[str, str] = {}

    def run(self) -> tuple[FoundStudent, ...]:
        """Search until every budget is met."""
        self._continue()
        for line in self._subject.announcement():
            self._progress.say(line)
        self._take_steps()
        self._run.finish(as_json(self._results()), self._files)
        return tuple(self._found)

    def _take_steps(self) -> None:
        last = self._recipe.steps if self._recipe.penalty is not None else math.ceil(self._recipe.steps * _OVERTIME)
        while not self._is_done and self._step < last:  # again where it went back
            self._progress.begin("search", total=self._recipe.steps, first=self._step)
            run_steps(
                first=self._step,
                last=last,
                take_step=self._take_step,
                save=lambda _: self._save(),
                how_to_continue=f"the same command with --out {self._run.path}",
                planned=self._recipe.steps,
            )
            self._progress.end()
        if not self._is_done:
            raise BudgetNotReachedError(self._why_not())

    @property
    def _is_done(self) -> bool:
        return len(self._found) == len(self._budgets)

    @property
    def _budget(self) -> int:
        """The next budget; the last one where all are met."""
        return self._budgets[min(len(self._found), len(self._budgets) - 1)]

    def _take_step(self, step: int) -> bool:
        """One step and its students; True where the search is over or went back to the start."""
        try:
            self._advance(step)
            while not self._is_done and self._stepper.macs <= self._budget:
                self._take_student(step)
        except (DivergedError, RushError) as error:
            self._go_back(error)
            return True
        return self._is_done

    def _advance(self, step: int) -> None:
        started = time.perf_counter()
        batch = self._batches.batch(step - 1)
        facts = self._stepper.step(step, batch.inputs, batch.labels)
        self._step = step
        seconds = time.perf_counter() - started
        self._seconds += seconds
        self._least_macs = min(self._least_macs, facts.macs)
        self._log.note(
            step,
            facts,
            self._run,
            budget_macs=self._budget,
            seconds=self._seconds,
            images_per_second=len(batch.labels) / seconds,
        )

    def _take_student(self, step: int) -> None:
        rush = self._stepper.rush_words(self._budget)
        if rush is not None:
            self._progress.say(f"warning: {rush}; a lower --gate-rate or more --steps land nearer")
        self._cut_student(step)

    def _cut_student(self, step: int) -> None:
        found = take_student(
            self._run.path,
            self._subject,
            self._stepper,
            budget_macs=self._budget,
            step=step,
            seconds=self._seconds,
            progress=self._progress,
        )
        self._files |= self._run.hashes(student_files(self._run.path / found.folder))
        self._found.append(found)

    def _go_back(self, error: DivergedError | RushError) -> None:
        """Return to the start, with half the rates of gates and weights; that error where they were halved before."""
        if not self._stepper.num_steps:
            raise DivergedError(f"{error}; no step was taken yet, so look at the teacher and --temperature") from error
        if self._rate_factor < 1:
            raise type(error)(
                f"{error}; so it was at the rates given and at half of them; {self._recipe.cure}"
            ) from error
        self._begin(rate_factor=0.5)
        self._progress.say(f"{error}; going back to the start with half the rates of gates and weights")
        self._run.rewind_metrics(after_step=0)
        for _ in range(2):  # both that are kept: an older one belongs to rows that are about to go
            self._save()

    def _why_not(self) -> str:
        return (
            f"the search ended at step {self._step} with {format_count(self._stepper.macs)} multiply-accumulates (the "
            f"least was {format_count(self._least_macs)}), above the budget of {format_count(self._budget)}; "
            f"{len(self._found)} of {len(self._budgets)} students are written; give another --out with more "
            "--steps, or with a larger --penalty where it is constant"
        )

    def _results(self) -> SearchResults:
        counts = self._subject.facts.counts
        return SearchResults(
            students=tuple(self._found),
            teacher=NetworkFacts(macs=counts.macs, parameters=counts.parameters),
            roll_back=None if self._rate_factor == 1 else RollBack(to_step=0, rate_factor=self._rate_factor),
        )

    def _save(self) -> None:
        state = SearchState(
            seconds=self._seconds,
            least_macs=self._least_macs,
            found=tuple(self._found),
            files=self._files,
            rate_factor=self._rate_factor,
        )
        self._run.save_checkpoint(self._step, self._stepper.state_dict(), state)

    def _continue(self) -> None:
        checkpoint = self._run.load_checkpoint(SearchState, self._progress.say)
        if checkpoint is None:
            return
        state, step = checkpoint.facts, checkpoint.step
        changed = changed_files(self._run.path, state.files)
        if state.has_earlier(changed, step):
            # The gates have moved on since: only the same steps lead there again.
            self._progress.say(f"warning: {changed[0]}, of a student of an earlier step; this search begins again")
            self._run.begin_again()
            return
        self._begin(rate_factor=state.rate_factor)
        expected = self._stepper.expected(checkpoint.tensors)
        require_fit(checkpoint.tensors, expected, source=str(checkpoint.file), cure=DAMAGED_CURE)
        self._stepper.load_state_dict(checkpoint.tensors)
        self._seconds, self._least_macs, self._files = state.seconds, state.least_macs, dict(state.files)
        self._step = step
        self._found = [student for student in state.found if student.step < step or not changed]
        while len(self._found) < len(state.found):
            self._cut_student(step)
