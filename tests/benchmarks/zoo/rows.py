"""What is known of one net after its examination: one row of the table, one JSON value on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from studentsearch.decoding import JsonValue
from studentsearch.runs.files import write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was measured on one net.

    Attributes:
        name: Its name in the library.
        sizes: Heights (and widths) of the images that it was compared at.
        gates: How many gates it has.
        whole: Layers that were left whole.
        trace_seconds: CPU seconds from the module to plain layers, compared with it.
        cut_seconds: CPU seconds from gates to the student's module, the longest of the three cuts.
        difference: Largest difference of exported and gated logits in float32, relative to the largest logit.
        exact_difference: The same in float64, where it was measured.
        reference: What ran gated: the `original` module, or the `plain` layers written from it.
        counter: Which independent counter was compared: `thop` or `torch`.
        is_counted: Whether it gave our integer at every cut.
        is_trained: Whether a training step ran.
        is_reloaded: Whether a fresh process gave the same bits, with the library and with model.py alone.
        onnx_difference: Largest difference of onnxruntime's logits, relative to the largest.
        is_brief: Whether it was only traced, cut and compared, at one size.
        refused: Why the net was refused, empty where it was not.
        problems: What failed.
        notes: What a reader should know.
    """

    name: str
    sizes: tuple[int, ...] = ()
    gates: int = 0
    whole: int = 0
    trace_seconds: float | None = None
    cut_seconds: float | None = None
    difference: float | None = None
    exact_difference: float | None = None
    reference: str = ""
    counter: str = ""
    is_counted: bool = False
    is_trained: bool = False
    is_reloaded: bool = False
    onnx_difference: float | None = None
    is_brief: bool = False
    refused: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """`passed`, `refused` or `failed`."""
        return "refused" if self.refused else "failed" if self.problems else "passed"


def outcome_to_json(outcome: Outcome) -> dict[str, JsonValue]:
    """The outcome as JSON values; `outcome_from_json` gives it back."""
    facts: dict[str, JsonValue] = json.loads(json.dumps(asdict(outcome)))
    return facts


def outcome_from_json(value: Mapping[str, JsonValue]) -> Outcome:
    """The outcome that `outcome_to_json` wrote."""
    known = {field.name for field in fields(Outcome)}
    lists = {name: tuple(item) for name, item in value.items() if isinstance(item, list)}
    facts = {name: item for name, item in {**value, **lists}.items() if name in known}
    return Outcome(**facts)  # type: ignore[arg-type]  # read back as it was written


def read_outcomes(path: Path) -> dict[str, Outcome]:
    """Outcomes by name; none where the file is not there yet."""
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {row["name"]: outcome_from_json(row) for row in rows}


def write_outcomes(path: Path, outcomes: Mapping[str, Outcome]) -> None:
    """Replace the file that `read_outcomes` reads."""
    write_json(path, [outcome_to_json(outcome) for outcome in outcomes.values()])
