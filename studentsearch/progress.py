"""What a long job says while it runs; who shows it is another floor's matter."""

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """Listens to a job: phases one after the other, steps within them, and single lines."""

    def begin(self, phase: str, *, total: int, first: int, unit: str = "steps") -> None:
        """A phase starts.

        Args:
            phase: Its name, as a user reads it.
            total: The number of its last step.
            first: Steps taken before, above 0 where a run is continued.
            unit: What is counted.
        """

    def advance(self, step: int, facts: Mapping[str, float | int | str]) -> None:
        """A step was taken.

        Args:
            step: Its number, from 1.
            facts: What to show beside it, by name.
        """

    def say(self, line: str) -> None:
        """Something worth one line happened.

        Args:
            line: The line.
        """

    def end(self) -> None:
        """The phase is over."""


class SilentProgress:
    """Progress that nobody watches."""

    def begin(self, phase: str, *, total: int, first: int, unit: str = "steps") -> None:
        """Say nothing.

        Args:
            phase: Unused.
            total: Unused.
            first: Unused.
            unit: Unused.
        """

    def advance(self, step: int, facts: Mapping[str, float | int | str]) -> None:
        """Say nothing.

        Args:
            step: Unused.
            facts: Unused.
        """

    def say(self, line: str) -> None:
        """Say nothing.

        Args:
            line: Unused.
        """

    def end(self) -> None:
        """Say nothing."""
