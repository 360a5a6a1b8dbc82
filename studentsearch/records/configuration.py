"""Every option that decides a run's outcome, as manifest.json holds it under `configuration`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from studentsearch.decoding import LEFT_OUT, JsonValue
from studentsearch.records.bounds import Amount, Digest, Text
from studentsearch.records.facts import DataFacts
from studentsearch.records.recipe import TrainingRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfiguration:
    """The options of a search.

    Attributes:
        teacher: Its name.
        teacher_sha256: Hash over its weights.
        logits: The output that is searched with; None where the network returns logits alone.
        data: The images.
        budgets_macs: What is kept, multiply-accumulates, the largest first.
        precision: What is computed in.
        seed: Of everything random.
        recipe: How the search moves, by option.
        skip: Patterns of module paths that keep all of their channels.
    """

    teacher: Text
    teacher_sha256: Digest
    logits: Text | None = field(default=None, metadata=LEFT_OUT)
    data: DataFacts
    budgets_macs: tuple[Amount, ...]
    precision: Text
    seed: int
    recipe: Mapping[str, JsonValue]
    skip: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachConfiguration:
    """The options of a training on labels.

    Attributes:
        model: Name of the network.
        data: The images.
        precision: What is computed in.
        seed: Of everything random.
        recipe: How it is trained.
        logits: The output that is trained; None where the network returns logits alone.
    """

    model: Text
    data: DataFacts
    precision: Text
    seed: int
    recipe: TrainingRecipe
    logits: Text | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTeacher:
    """One teacher of a distillation: its name, the hash over its weights, and its output as for a student."""

    name: Text
    sha256: Text
    logits: Text | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillConfiguration:
    """The options of a distillation; those with a default are missing in older runs.

    Attributes:
        student: Its name, or whose student it is and of which budget.
        method: The loss.
        teachers: In order.
        terms: The loss in full, by option.
        data: The images.
        init: Where training starts: `scratch` or `inherit`.
        precision: What is computed in.
        seed: Of everything random.
        recipe: How the student, and a temporal network, are trained.
        logits: The output that is trained; None where the network returns logits alone.
        student_sha256: Hash of the weights that a found student was cut with; None for a network by name.
        via: The temporal network that is taught first; None where there is none.
        row: What a table of several runs calls this one; None means its method.
    """

    student: Text = ""
    method: Text = "hinton"  # before there were methods, labels and softened outputs were mixed
    teachers: tuple[NamedTeacher, ...] = ()
    terms: Mapping[str, JsonValue] = field(default_factory=dict)
    data: DataFacts
    init: Text
    precision: Text
    seed: int
    recipe: TrainingRecipe
    logits: Text | None = field(default=None, metadata=LEFT_OUT)
    student_sha256: Text | None = field(default=None, metadata=LEFT_OUT)
    via: Text | None = field(default=None, metadata=LEFT_OUT)
    row: Text | None = field(default=None, metadata=LEFT_OUT)
