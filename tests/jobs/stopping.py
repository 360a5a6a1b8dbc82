"""A run that is stopped as a cluster stops it."""

import os
import signal
from collections.abc import Mapping

from studentsearch.progress import SilentProgress


class Stop(SilentProgress):
    """Sends this process the signal that a cluster sends, after one step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def advance(self, step: int, facts: Mapping[str, float | int | str]) -> None:  # noqa: ARG002
        if step == self.at:
            os.kill(os.getpid(), signal.SIGTERM)
