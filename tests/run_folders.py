"""Run folders as the tests of them open them."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from studentsearch.decoding import JsonValue
from studentsearch.runs.folder import RunFolder

CONFIGURATION: dict[str, JsonValue] = {"steps": 100, "rule": {"rate": 0.1, "cap": None}, "budgets": [3, 2]}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the checkpoints of these runs hold beside tensors."""

    phase: str


def opened(path: Path, **changes: JsonValue) -> AbstractContextManager[RunFolder]:
    return RunFolder.open(path, kind="search", configuration={**CONFIGURATION, **changes}, facts={"seed": 1})


def silent(line: str) -> None:
    """Hear nothing."""
