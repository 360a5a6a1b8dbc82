"""What a search is about, fixed before its first step: teacher, gates, images, budgets."""

from __future__ import annotations

from dataclasses import dataclass

from studentsearch.data.batches import Batches
from studentsearch.decoding import as_json
from studentsearch.disk import real_path
from studentsearch.engine.runtime import Runtime, open_runtime
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.jobs.budgets import budgets_in_macs
from studentsearch.jobs.gating import gating_lines
from studentsearch.jobs.opening import (
    OpenedData,
    OpenedModel,
    data_facts,
    open_data,
    open_model,
    published_normalization,
    training_batches,
)
from studentsearch.jobs.outputs import stated_output
from studentsearch.jobs.search_options import SearchOptions
from studentsearch.jobs.snapshot import TeacherFacts, search_origin
from studentsearch.progress import Progress
from studentsearch.records.configuration import SearchConfiguration
from studentsearch.records.facts import SearchTeacher
from studentsearch.search.floor import smallest_macs
from studentsearch.student.counts import count_everything
from studentsearch.units import format_count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchSubject:
    """A teacher whose students are searched.

    Attributes:
        options: What the user chose.
        data: The images.
        teacher: The network.
        facts: What is cut out of it, and its cost.
        budgets: Multiply-accumulates to keep, the largest first.
        runtime: Where and how precisely to compute.
    """

    options: SearchOptions
    data: OpenedData
    teacher: OpenedModel
    facts: TeacherFacts
    budgets: tuple[int, ...]
    runtime: Runtime

    @classmethod
    def open(cls, options: SearchOptions, progress: Progress) -> SearchSubject:
        """Open images and teacher, and read the budgets.

        Args:
            options: What the user chose.
            progress: Hears of what takes long.

        Returns:
            The subject.

        Raises:
            UsageError: A budget is not below the teacher's count, or below what any student needs.
        """
        runtime = open_runtime(options.compute.device, options.compute.precision, options.compute.threads)
        normalization = published_normalization(options.teacher, options.weights, options.data)
        data = open_data(options.data, options.teacher, normalization, progress)
        teacher = open_model(
            options.teacher, options.weights, data, options.data, progress, options.skip, options.logits
        )
        facts = TeacherFacts(
            gated=GatedNetwork.of(teacher.network),
            state={name: tensor.detach().clone() for name, tensor in teacher.module.state_dict().items()},
            counts=count_everything(teacher.module, teacher.network),
            origin=search_origin(teacher, data),
        )
        budgets = budgets_in_macs(options.budgets, facts.counts.macs, smallest_macs(facts.gated))
        return cls(options=options, data=data, teacher=teacher, facts=facts, budgets=budgets, runtime=runtime)

    def batches(self, phase: str, batch_size: int) -> Batches:
        """Training batches of one phase of the run's randomness."""
        seed = self.options.compute.seed
        return training_batches(self.data, phase=phase, batch_size=batch_size, seed=seed, runtime=self.runtime)

    def configuration(self) -> SearchConfiguration:
        """Everything that decides the outcome."""
        return SearchConfiguration(
            teacher=self.teacher.name,
            teacher_sha256=self.teacher.sha256,
            logits=stated_output(self.teacher.logits),
            data=data_facts(self.data),
            budgets_macs=self.budgets,
            precision=self.runtime.precision,
            seed=self.options.compute.seed,
            recipe=as_json(self.options.recipe),
            skip=self.options.skip,
        )

    def teacher_record(self) -> SearchTeacher:
        """The teacher as later jobs open it again."""
        weights, data = self.options.weights, self.options.data
        return SearchTeacher(
            name=self.teacher.name,
            weights=None if weights is None else str(real_path(weights)),
            sha256=self.teacher.sha256,
            data_root=None if data.data_root is None else str(real_path(data.data_root)),
            image_size=data.image_size,
            macs=self.facts.counts.macs,
            parameters=self.facts.counts.parameters,
            logits=stated_output(self.teacher.logits),
        )

    def announcement(self) -> tuple[str, ...]:
        """What is said before the first step."""
        budgets, full = ", ".join(format_count(budget) for budget in self.budgets), self.facts.counts.macs
        first = (
            f"teacher {self.teacher.name}: {full:,} multiply-accumulates an image; to keep: {budgets} "
            f"({self.budgets[-1] / full:.1%}); {self.runtime.name()}"
        )
        return (first, *gating_lines(self.facts.gated, size_step=self.teacher.size_step))
