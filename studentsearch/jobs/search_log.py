"""The course of a search as it is written and told: rows of metrics.csv, progress, the word when nothing moves."""

from __future__ import annotations

from studentsearch.progress import Progress
from studentsearch.records.metrics import SearchRow, cells
from studentsearch.runs.folder import RunFolder
from studentsearch.search.recipe import SearchRecipe
from studentsearch.search.stall import SearchPoint, StallPlan, StallWatch
from studentsearch.search.stepper import SearchStepper, StepFacts


class SearchLog:
    """Writes and tells every step of one search."""

    def __init__(self, stepper: SearchStepper, recipe: SearchRecipe, progress: Progress) -> None:
        """Start before the first step.

        Args:
            stepper: The search.
            recipe: How it moves.
            progress: Hears of every step.
        """
        self._is_kl, self._progress = recipe.objective.kind == "kd", progress
        self._watch = StallWatch(
            StallPlan(
                pace=stepper.pace,
                rate=recipe.gate_rate,
                mean_weight=stepper.mean_weight,
                nonnegative=recipe.nonnegative,
            )
        )

    def note(
        self,
        step: int,
        facts: StepFacts,
        run: RunFolder,
        *,
        budget_macs: int,
        seconds: float,
        images_per_second: float,
    ) -> None:
        """Write a step's row and tell of it.

        Args:
            step: Its number, from 1.
            facts: What it did.
            run: Holds metrics.csv.
            budget_macs: The next budget.
            seconds: Time of search until its end.
            images_per_second: Of this step.
        """
        row = SearchRow(
            step=step,
            loss=facts.loss,
            kl=facts.loss if self._is_kl else None,
            macs=facts.macs,
            target_macs=round(facts.target_macs),
            penalty=facts.penalty,
            open_share=facts.open_share,
            gate_mean=facts.gate_mean,
            rate=facts.rate,
            images_per_second=images_per_second,
            seconds=seconds,
        )
        run.append_metrics(cells(row))
        told: dict[str, float | int | str] = {
            "kl" if self._is_kl else "loss": facts.loss,
            "macs": facts.macs,
            "budget_macs": budget_macs,
            "closed_share": 1 - facts.open_share,
            "images_per_second": images_per_second,
        }
        self._progress.advance(step, told)
        point = SearchPoint(
            step=step,
            macs=facts.macs,
            gate_mean=facts.mean_of_all,
            negative_share=facts.negative_share,
            penalty=facts.penalty,
        )
        warning = self._watch.observe(point)
        if warning is not None:
            self._progress.say(warning)
