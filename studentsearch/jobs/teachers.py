"""The teachers of a distillation: those of a search, or networks by name with weights; checked before they teach."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from studentsearch.data.dataset import Images
from studentsearch.data.normalization import Normalization
from studentsearch.decoding import Facts, decode_json
from studentsearch.engine.runtime import Runtime
from studentsearch.errors import RunFolderError, UsageError
from studentsearch.jobs.opening import OpenedData, OpenedModel, judge, open_data, open_model, published_normalization
from studentsearch.jobs.options import DataOptions
from studentsearch.own_function import require_typed
from studentsearch.progress import Progress
from studentsearch.runs.files import JsonValue
from studentsearch.runs.manifest import MANIFEST_NAME, Manifest
from studentsearch.student.folder import Origin

_CHANCE_FACTOR = 2.0
_NUM_JUDGED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _TeacherFacts:
    """What a search's manifest says of its teacher: the file of its weights, where named data lay, and their size."""

    weights: str | None
    data_root: str | None
    image_size: int | None
    logits: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _DataFacts:
    augment: str


def search_data(run: Path, manifest: Manifest, origin: Origin, given: DataOptions) -> DataOptions:
    """The images of a search, as options that open them again.

    Args:
        run: The search's folder.
        manifest: The search's.
        origin: What its student says of them.
        given: What the user typed: where named data lie now, and a function that gives them.

    Returns:
        The options.

    Raises:
        UsageError: The run is no search, or its images come from a function that the user did not type.
        RunFolderError: The manifest does not name them.
    """
    if manifest.kind != "search":
        raise UsageError(f"found a run of kind {manifest.kind}; expected a search run")
    then = _facts(manifest.configuration.get("data"), _DataFacts, run)
    facts = _facts(manifest.facts.get("teacher"), _TeacherFacts, run)
    typed = () if given.name is None else (given.name,)
    return DataOptions(
        name=require_typed(origin.data, typed, what="data", option="--data", source=run),
        data_root=given.data_root or (None if facts.data_root is None else Path(facts.data_root)),
        image_size=facts.image_size,
        augment=then.augment,
    )


def _facts(value: JsonValue, form: type[Facts], run: Path) -> Facts:
    return decode_json(
        json.dumps(value),
        form,
        source=f"{run / MANIFEST_NAME}: what it says of teacher and data",
        cure="search anew",
        error_class=RunFolderError,
    )


def open_search_data(options: DataOptions, origin: Origin, progress: Progress) -> OpenedData:
    """The images of a search.

    Args:
        options: From `search_data`.
        origin: What its student says of them.
        progress: Hears of pictures that are decoded.

    Returns:
        Images and split, normalised as in the search.

    Raises:
        UsageError: They are no longer the same.
    """
    data = open_data(options, origin.teacher, Normalization(mean=origin.mean, std=origin.std), progress)
    if data.dataset.fingerprint != origin.data_sha256:
        raise UsageError(f"the data {origin.data} are not those of the search; distil with the images it saw")
    return data


def open_search_teacher(
    run: Path, manifest: Manifest, origin: Origin, data: OpenedData, options: DataOptions
) -> OpenedModel:
    """The teacher of a search.

    Args:
        run: The search's folder.
        manifest: The search's.
        origin: What its student says of it; a function only if the user typed it.
        data: The images.
        options: How they were opened.

    Returns:
        The teacher.

    Raises:
        UsageError: Its weights are no longer the same.
    """
    facts = _facts(manifest.facts.get("teacher"), _TeacherFacts, run)
    weights = None if facts.weights is None else Path(facts.weights)
    teacher = open_model(origin.teacher, weights, data, options, logits=facts.logits)
    if teacher.sha256 != origin.teacher_sha256:
        raise UsageError(f"the weights of teacher {origin.teacher} are not those of the search; put the same file back")
    return teacher


def common_normalization(
    choices: Sequence[tuple[str, Path | None]], options: DataOptions, given: Normalization | None = None
) -> Normalization | None:
    """The normalization that all teachers were trained with, where it is known.

    Args:
        choices: Names and weights.
        options: The images.
        given: What the student was searched with, if anything.

    Returns:
        The one they share; None where no weights say.

    Raises:
        UsageError: Two of them differ.
    """
    found = given
    for name, weights in choices:
        stated = published_normalization(name, weights, options)
        if stated is not None and found is not None and stated != found:
            raise UsageError(
                f"{weights or name} was trained with mean {stated.mean} and deviation {stated.std}, "
                f"the others with {found.mean} and {found.std}; teachers of one student need the same"
            )
        found = found or stated
    return found


def warn_of_chance(teachers: Sequence[OpenedModel], data: OpenedData, runtime: Runtime, progress: Progress) -> None:
    """Say which teachers guess.

    Args:
        teachers: On the runtime's device.
        data: The first held-out images judge.
        runtime: Where to compute.
        progress: Hears of it.
    """
    held_out = data.split.held_out
    images: Images = held_out.select(torch.arange(min(_NUM_JUDGED, len(held_out))))
    chance = 100 / data.dataset.num_classes
    for number, teacher in enumerate(teachers, start=1):
        accuracy = judge(teacher.module, images, data.normalization, runtime, teacher.logits).accuracy
        if accuracy < _CHANCE_FACTOR * chance:
            progress.say(
                f"warning: teacher {number} ({teacher.name}) has {accuracy:.1f} % of {len(images):,} held-out images, "
                f"chance is {chance:.1f} %; look at its weights, --mean and --std"
            )
