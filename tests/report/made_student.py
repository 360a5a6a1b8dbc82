"""Student folders without a network: facts that hold together, and weights without tensors."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from studentsearch.records.architecture import ArchitectureRecord, StepRecord
from studentsearch.records.blocks import BlockShare
from studentsearch.records.counts import Counts, CutCheck
from studentsearch.records.names import CONFIG_NAME, WEIGHTS_NAME
from studentsearch.records.origin import Origin
from studentsearch.records.student import SCHEMA, StudentConfig, config_metadata

ORIGIN = Origin(
    teacher="densenet",
    teacher_sha256="a" * 64,
    data="cifar100",
    data_sha256="b" * 64,
    classes=("cat", "dog"),
    mean=(0.5, 0.5, 0.5),
    std=(0.2, 0.2, 0.2),
)


def write_facts(
    folder: Path, *, counts: Counts, teacher_counts: Counts, blocks: Sequence[BlockShare], origin: Origin = ORIGIN
) -> None:
    """A student folder as a report reads it."""
    image = StepRecord(name="x", kind="Input", path="", inputs=(), arguments={})
    answer = StepRecord(name="output", kind="Output", path="", inputs=("x",), arguments={})
    config = StudentConfig(
        schema=SCHEMA,
        tensors_sha256="c" * 64,
        origin=origin,
        counts=counts,
        teacher_counts=teacher_counts,
        check=CutCheck(difference=0.0, counted_macs=counts.macs, counter="thop", independent_macs=counts.macs),
        blocks=tuple(blocks),
        training=None,
        architecture=ArchitectureRecord(input_shapes=((3, 32, 32),), steps=(image, answer)),
    )
    folder.mkdir(parents=True)
    write_config(folder, msgspec.json.encode(config))


def write_config(folder: Path, content: bytes) -> None:
    """config.json, and weights that vouch for it."""
    (folder / CONFIG_NAME).write_bytes(content)
    header = json.dumps({"__metadata__": dict(config_metadata(content))}).encode()
    (folder / WEIGHTS_NAME).write_bytes(len(header).to_bytes(8, "little") + header)
