"""A student on disk: weights, facts, source and a card; read back without the teacher, pickle or running code.

The weights' header holds the SHA-256 of config.json, and config.json a hash of the tensors, so that neither can be
changed without the other. That tells damage and edits, not who wrote the folder: whoever writes both can make them fit.
Hence nothing in a folder is run: `wellformed.py` and `trial.py` check config.json before a module is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from studentsearch.decoding import decode_json
from studentsearch.disk import write_bytes
from studentsearch.errors import InputFileError, UnsupportedGraphError
from studentsearch.records.names import CARD_NAME, CONFIG_NAME, SOURCE_NAME, WEIGHTS_NAME
from studentsearch.records.origin import Origin
from studentsearch.records.student import (
    SCHEMA,
    StudentConfig,
    StudentFacts,
    config_metadata,
    read_config,
)
from studentsearch.records.training import TrainingRecord
from studentsearch.runs.files import write_text
from studentsearch.runs.state_hash import state_sha256
from studentsearch.runs.tensors import load_tensors, save_tensors
from studentsearch.student.build import build_with_weights
from studentsearch.student.card import model_card
from studentsearch.student.slice import Cut
from studentsearch.student.source import model_source
from studentsearch.student.spec import StudentSpec, spec_from_record, spec_to_record
from studentsearch.student.trial import require_running, require_sound
from studentsearch.student.wellformed import spec_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudent:
    """A student as read from its folder: the module in evaluation mode, its architecture and what config.json holds."""

    module: nn.Module
    spec: StudentSpec
    config: StudentConfig

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        return self.config.origin


def write_student(folder: Path, student: Cut, facts: StudentFacts) -> None:
    """Write a student folder; config.json comes last, so that a folder with one is whole.

    Args:
        folder: Where; made if missing.
        student: Architecture and weights.
        facts: Where it comes from, its cost, what was kept, and how its weights were trained.

    Raises:
        UnsupportedGraphError: A name or an operation with which the folder could not be read again.
    """
    known = {field.name: getattr(facts, field.name) for field in fields(StudentFacts)}
    config = StudentConfig(
        **{**known, "origin": _encodable_origin(facts.origin)},
        schema=SCHEMA,
        tensors_sha256=state_sha256(student.tensors),
        architecture=spec_to_record(student.spec),
    )
    _write(folder, student.spec, student.tensors, config)


def rewrite_weights(
    source: StoredStudent, folder: Path, tensors: Mapping[str, Tensor], origin: Origin, training: TrainingRecord
) -> None:
    """The student of `source` with trained weights, in another folder; source code and card are written anew.

    Args:
        source: A student as read from its folder.
        folder: Where to write.
        tensors: Its state by name.
        origin: Where it comes from, and the images that it was trained on.
        training: How these weights were trained, and what they reach.
    """
    config = replace(
        source.config, tensors_sha256=state_sha256(tensors), origin=_encodable_origin(origin), training=training
    )
    _write(folder, source.spec, tensors, config)


def student_files(folder: Path) -> tuple[Path, ...]:
    """The files that decide what a student answers; its model card may be edited."""
    return tuple(folder / name for name in (CONFIG_NAME, WEIGHTS_NAME, SOURCE_NAME))


def read_student(folder: Path) -> StoredStudent:
    """A student from its folder.

    Args:
        folder: What `write_student` wrote.

    Returns:
        The student.

    Raises:
        InputFileError: Files missing, damaged, of another schema, an architecture that no student has, or weights that
            are not those of config.json.
    """
    config, header = read_config(folder)
    spec = spec_from_record(config.architecture)
    require_sound(spec, header.tensors, source=str(folder / CONFIG_NAME))
    weights = folder / WEIGHTS_NAME
    tensors = load_tensors(weights)
    found = state_sha256(tensors)
    if found != config.tensors_sha256:
        raise InputFileError(
            f"{weights}: its tensors have SHA-256 {found[:12]}..., config.json says {config.tensors_sha256[:12]}...; "
            "copy the folder again, whole"
        )
    broken = next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)
    if broken is not None:
        raise InputFileError(f"{weights}: {broken!a:.100} holds numbers that are not finite; distil the student again")
    module = build_with_weights(spec, tensors, source=str(weights))
    require_running(module, spec, source=str(folder / CONFIG_NAME))
    return StoredStudent(module=module, spec=spec, config=config)


def _write(folder: Path, spec: StudentSpec, tensors: Mapping[str, Tensor], config: StudentConfig) -> None:
    problem = spec_problem(spec)
    if problem is not None:
        raise UnsupportedGraphError(f"the network cannot be written as a student: {problem}; write the part otherwise")
    content = msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"
    # What could not be read again is not written.
    source = "the facts of this student"
    decode_json(content, StudentConfig, source=source, cure="report it", error_class=UnsupportedGraphError)
    title = f"{config.origin.words}, {config.counts.macs:,} multiply-accumulates an image."
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).unlink(missing_ok=True)
    save_tensors(folder / WEIGHTS_NAME, tensors, config_metadata(content))
    write_text(folder / SOURCE_NAME, model_source(spec, title=title))
    write_text(folder / CARD_NAME, model_card(config))
    write_bytes(folder / CONFIG_NAME, content)


def _encodable_origin(origin: Origin) -> Origin:
    """The origin without the halves of surrogate pairs that names of classes, which were folders, may hold."""
    classes = tuple(name.encode("utf-8", "backslashreplace").decode("utf-8") for name in origin.classes)
    return replace(origin, classes=classes)
