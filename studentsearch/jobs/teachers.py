"""The teachers of a distillation: those of a search, or networks by name with weights; checked before they teach."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from studentsearch.decoding import Facts, JsonValue, decode_json
from studentsearch.engine.runtime import Runtime
from studentsearch.errors import DivergedError, RunFolderError, UsageError
from studentsearch.finite import names_not_finite
from studentsearch.jobs.answers import Answers, ask
from studentsearch.jobs.opening import OpenedData, OpenedModel, open_data, open_model, published_normalization
from studentsearch.jobs.options import DataOptions
from studentsearch.own_function import require_typed
from studentsearch.progress import Progress
from studentsearch.records.configuration import SearchConfiguration
from studentsearch.records.facts import RunFacts, SearchTeacher
from studentsearch.records.names import MANIFEST_NAME
from studentsearch.records.normalization import Normalization
from studentsearch.records.origin import Origin
from studentsearch.runs.manifest import Manifest

_CHANCE_FACTOR = 2.0
# The KL's gradient is about temperature (or 1 / temperature without its square) times that of a cross entropy, and
# float32 tells no more than 1e-7 of a sum.
_SMALLEST_TEMPERATURE = 1e-6


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
    configuration = _decoded(manifest.configuration, SearchConfiguration, run)
    teacher = _search_teacher(run, manifest)
    typed = () if given.name is None else (given.name,)
    return DataOptions(
        name=require_typed(origin.data, typed, what="data", option="--data", source=run),
        data_root=given.data_root or (None if teacher.data_root is None else Path(teacher.data_root)),
        image_size=teacher.image_size,
        augment=configuration.data.augment,
    )


def _search_teacher(run: Path, manifest: Manifest) -> SearchTeacher:
    teacher = _decoded(manifest.facts, RunFacts, run).teacher
    if teacher is None:
        raise RunFolderError(f"{run / MANIFEST_NAME}: found no teacher in its facts; expected a search's; search anew")
    return teacher


def _decoded(value: Mapping[str, JsonValue], form: type[Facts], run: Path) -> Facts:
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
        progress: Hears of images that are decoded.

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
    facts = _search_teacher(run, manifest)
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
                f"{weights or name} was trained with mean {stated.mean} and standard deviation {stated.std}, "
                f"the others with {found.mean} and {found.std}; teachers of one student need the same"
            )
        found = found or stated
    return found


def check_teachers(
    teachers: Sequence[OpenedModel],
    data: OpenedData,
    runtime: Runtime,
    progress: Progress,
    *,
    temperature: float | None,
) -> None:
    """Refuse teachers from which nothing can be learnt, and say which of them guess.

    Args:
        teachers: On the runtime's device.
        data: The first held-out images are asked.
        runtime: Where to compute.
        progress: Hears of teachers at chance.
        temperature: Of the softened answers that are compared; None where answers are not compared.

    Raises:
        DivergedError: Weights or answers are not finite, all images have the same answer, as a teacher gives it or at
            this temperature, or that is too small; give other weights, another normalization, a temperature near 4.
    """
    chance = 100 / data.dataset.num_classes
    for number, teacher in enumerate(teachers, start=1):
        name = f"teacher {number} ({teacher.name})"
        answers = ask(teacher.module, data, runtime, temperature or 1.0, teacher.logits)
        _refuse_infinite(name, teacher, answers)
        if temperature is not None:
            _refuse_uninformative(name, answers, temperature)
        if answers.accuracy < _CHANCE_FACTOR * chance:
            progress.say(
                f"warning: {name} has {answers.accuracy:.1f} % of {answers.num_images:,} held-out images, "
                f"chance is {chance:.1f} %; look at its weights, --mean and --std"
            )


def _refuse_infinite(name: str, teacher: OpenedModel, answers: Answers) -> None:
    broken = names_not_finite(teacher.module.state_dict())
    if broken:
        more = f" and {len(broken) - 1} more" if broken[1:] else ""
        raise DivergedError(f"{name} has weights that are not finite: {broken[0]}{more}; give other --weights")
    if not answers.is_finite:
        raise DivergedError(
            f"{name} answers held-out images with logits that are not finite; look at its weights, --mean and --std"
        )


def _refuse_uninformative(name: str, answers: Answers, temperature: float) -> None:
    same = f"{name} gives all {answers.num_images:,} held-out images the same answer"
    if answers.are_alike:
        raise DivergedError(f"{same}, so that nothing can be learnt from it; look at its weights, --mean and --std")
    if temperature < _SMALLEST_TEMPERATURE:
        raise DivergedError(
            f"at temperature {temperature:g} the gradient of the KL vanishes, or overflows without the factor "
            "temperature^2; take a --temperature near 4"
        )
    if answers.are_alike_softened:
        raise DivergedError(
            f"at temperature {temperature:g} {same}, so that nothing can be learnt from it; take a --temperature near 4"
        )
