"""How a student's weights were trained, as its config.json and its model card say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from studentsearch.records.bounds import Amount, Digest, Percent, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherRecord:
    """One network that taught: its name, the hash of its weights, and its test accuracy in percent."""

    name: Text
    sha256: Digest
    accuracy_test: Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """How a student's weights were trained, and what they reach; accuracies in percent.

    Attributes:
        method: The loss.
        init: Where training started: `scratch` or `inherit`.
        teachers: Who taught, in order; none where labels alone did.
        via: The temporal network between the teachers and the student; empty where there was none.
        step: Steps taken until these weights.
        epoch: Passes over the training images until then.
        epochs: Passes planned, where no steps were.
        steps: Steps planned; None where passes were.
        batch: Images a step.
        rate: Learning rate after warm-up.
        schedule: How the learning rate falls.
        weight_decay: On all parameters.
        seed: Of everything random.
        augment: How training images were varied.
        accuracy_before: On the test images, as the student was cut; None for a network by name.
        accuracy_held_out: On the held-out training images.
        accuracy_test: On the test images.
    """

    method: Text
    init: Text
    teachers: Annotated[tuple[TeacherRecord, ...], Meta(max_length=1000)]
    via: Text
    step: Amount
    epoch: Annotated[float, Meta(ge=0)]
    epochs: Amount
    steps: Amount | None
    batch: Amount
    rate: Annotated[float, Meta(gt=0)]
    schedule: Text
    weight_decay: float
    seed: int
    augment: Text
    accuracy_before: Percent | None
    accuracy_held_out: Percent
    accuracy_test: Percent
