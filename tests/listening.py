"""A listener that keeps what long work says."""

from collections.abc import Mapping

from studentsearch.progress import SilentProgress


class Heard(SilentProgress):
    """Phases as they are announced, the steps of the newest, and single lines."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.steps: list[int] = []
        self.lines: list[str] = []

    def begin(self, phase: str, *, total: int, first: int, unit: str = "steps") -> None:
        self.phases.append(f"{phase}: {total} {unit} from {first}")
        self.steps = []

    def advance(self, step: int, facts: Mapping[str, float | int | str]) -> None:  # noqa: ARG002
        self.steps.append(step)

    def say(self, line: str) -> None:
        self.lines.append(line)
