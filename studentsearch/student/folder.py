"""A student on disk: weights, facts, source and a card; read back without the teacher, pickle or running code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor, nn

from studentsearch.errors import InputFileError
from studentsearch.runs.files import JsonValue, file_sha256, write_json, write_text
from studentsearch.runs.tensors import load_tensors, save_tensors
from studentsearch.student.blocks import BlockShare
from studentsearch.student.build import build_with_weights
from studentsearch.student.check import CutCheck
from studentsearch.student.counts import Counts
from studentsearch.student.slice import Cut
from studentsearch.student.source import model_source
from studentsearch.student.spec import StudentSpec, spec_from_json, spec_to_json

SCHEMA = 2
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a student comes from and what its images look like.

    Attributes:
        teacher: Name of the teacher; empty where labels alone taught.
        teacher_sha256: Hash of its weights.
        data: Name of the data.
        data_sha256: Fingerprint of the data.
        classes: Names of the classes, in the order of the logits.
        mean: Channel means that inputs are normalised with, pixels in 0..1.
        std: Channel deviations.
        architecture: Name of the network that it is, whole; empty where it was cut out of the teacher.
    """

    teacher: str
    teacher_sha256: str
    data: str
    data_sha256: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    architecture: str = ""

    @property
    def words(self) -> str:
        """What the student is, for titles: `Student of densenet`, `resnet8 taught by resnet32`."""
        if not self.architecture:
            return f"Student of {self.teacher}"
        return f"{self.architecture} taught by {self.teacher or 'labels alone'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentRecord:
    """Everything about a student but its weights.

    Attributes:
        spec: Its architecture.
        origin: Where it comes from.
        counts: Its cost in every convention.
        teacher_counts: The teacher's cost.
        check: What the proof before writing measured.
        blocks: What was kept of every block.
    """

    spec: StudentSpec
    origin: Origin
    counts: Counts
    teacher_counts: Counts
    check: CutCheck
    blocks: tuple[BlockShare, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudent:
    """A student as read from its folder: the module in evaluation mode, its facts, and config.json as it stands."""

    module: nn.Module
    spec: StudentSpec
    origin: Origin
    config: Mapping[str, JsonValue]


def write_student(folder: Path, student: Cut, record: StudentRecord) -> None:
    """Write a student folder; config.json comes last, so that a folder with one is whole.

    Args:
        folder: Where; made if missing.
        student: Architecture and weights.
        record: Its facts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).unlink(missing_ok=True)
    title = f"{record.origin.words}, {record.counts.macs:,} multiply-accumulates an image."
    sha256 = save_tensors(folder / WEIGHTS_NAME, student.tensors)
    write_text(folder / "model.py", model_source(student.spec, title=title))
    write_text(folder / "README.md", _card(record))
    write_json(folder / CONFIG_NAME, _config(record, sha256))


def rewrite_weights(source: Path, folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """The student of `source` with other weights, in another folder.

    Args:
        source: A student folder.
        folder: Where to write.
        tensors: Its state by name.
    """
    config = _read_config(source)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).unlink(missing_ok=True)
    config["weights_sha256"] = save_tensors(folder / WEIGHTS_NAME, tensors)
    for name in ("model.py", "README.md"):
        write_text(folder / name, (source / name).read_text(encoding="utf-8"))
    write_json(folder / CONFIG_NAME, config)


def is_student_folder(folder: Path) -> bool:
    """Whether a folder holds a student."""
    return (folder / CONFIG_NAME).is_file() and (folder / WEIGHTS_NAME).is_file()


def read_student(folder: Path) -> StoredStudent:
    """A student from its folder.

    Args:
        folder: What `write_student` wrote.

    Returns:
        The student.

    Raises:
        InputFileError: Files missing, damaged, of another schema, or weights that are not those of config.json.
    """
    config = _read_config(folder)
    source = str(folder / CONFIG_NAME)
    architecture, origin = config.get("architecture"), config.get("origin")
    if config.get("schema") != SCHEMA or not isinstance(architecture, dict) or not isinstance(origin, dict):
        raise InputFileError(f"{source}: schema {config.get('schema')}, expected {SCHEMA}; export the student again")
    weights = folder / WEIGHTS_NAME
    tensors = load_tensors(weights)
    found = file_sha256(weights)
    if found != config.get("weights_sha256"):
        raise InputFileError(
            f"{weights}: SHA-256 {found[:12]}..., config.json says {str(config.get('weights_sha256'))[:12]}...; "
            "copy the folder again, whole"
        )
    spec = spec_from_json(architecture, source=source)
    return StoredStudent(
        module=build_with_weights(spec, tensors, source=str(weights)),
        spec=spec,
        origin=_origin(origin, source),
        config=config,
    )


def _config(record: StudentRecord, sha256: str) -> dict[str, JsonValue]:
    facts: dict[str, JsonValue] = json.loads(
        json.dumps({
            "origin": asdict(record.origin),
            "counts": asdict(record.counts),
            "teacher_counts": asdict(record.teacher_counts),
            "check": asdict(record.check),
            "blocks": [asdict(block) for block in record.blocks],
        })
    )
    return {"schema": SCHEMA, "weights_sha256": sha256, **facts, "architecture": spec_to_json(record.spec)}


def _read_config(folder: Path) -> dict[str, JsonValue]:
    path = folder / CONFIG_NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputFileError(
            f"{folder}: no {CONFIG_NAME}, so not a student folder; expected what search or export wrote"
        ) from error
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: unreadable ({error}); export the student again") from error
    if not isinstance(value, dict):
        raise InputFileError(f"{path}: not a JSON object; export the student again")
    return value


def _origin(value: Mapping[str, JsonValue], source: str) -> Origin:
    try:
        lists = {name: value[name] for name in ("classes", "mean", "std")}
        assert all(isinstance(item, list) for item in lists.values())
        return Origin(
            teacher=str(value["teacher"]),
            teacher_sha256=str(value["teacher_sha256"]),
            data=str(value["data"]),
            data_sha256=str(value["data_sha256"]),
            classes=tuple(str(name) for name in lists["classes"] or ()),  # type: ignore[union-attr]
            mean=tuple(float(number) for number in lists["mean"] or ()),  # type: ignore[union-attr,arg-type]
            std=tuple(float(number) for number in lists["std"] or ()),  # type: ignore[union-attr,arg-type]
            architecture=str(value.get("architecture", "")),
        )
    except (KeyError, AssertionError) as error:
        raise InputFileError(f"{source}: no complete origin ({error!r}); export the student again") from error


def _card(record: StudentRecord) -> str:
    share = record.counts.macs / record.teacher_counts.macs
    mean = ", ".join(f"{value:g}" for value in record.origin.mean)
    std = ", ".join(f"{value:g}" for value in record.origin.std)
    shape = ", ".join(str(size) for size in record.spec.input_shape)
    made = "written from" if record.origin.architecture else "cut from, its gates closed,"
    found = "" if record.origin.architecture else "Found by studentsearch inside a teacher. "
    return f"""# {record.origin.words}

{found}Trained on {record.origin.data} ({len(record.origin.classes)} classes).

| | teacher | student |
|---|---|---|
| multiply-accumulates | {record.teacher_counts.macs:,} | {record.counts.macs:,} ({share:.1%}) |
| parameters | {record.teacher_counts.parameters:,} | {record.counts.parameters:,} |

Input: `[B, {shape}]`, pixels in 0..1 normalised with mean ({mean}) and deviation ({std}).
Its logits differ from those of the network it was {made} by {record.check.difference:.1e} of the largest (float64).

    import studentsearch
    student = studentsearch.load("this/folder")

or, with torch and safetensors alone: `build()` in `model.py`.
"""
