"""The command line in a process where importing torch or decoding an image fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import studentsearch

WAS_IMPORTED = "was imported"
_SCRIPT = """
import contextlib, io, json, sys
from importlib.abc import MetaPathFinder

class NoTorch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "PIL", "sklearn"):
            raise RuntimeError(f"{name} was imported")

sys.meta_path.insert(0, NoTorch())
from studentsearch.cli.main import main
answers = []
for words in json.loads(sys.stdin.read()):
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    answers.append([code, err.getvalue()])
print(json.dumps(answers))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a command line ended; `err` names what was imported where it needed torch."""

    words: tuple[str, ...]
    exit_code: int
    err: str


def answers_without_torch(lines: Sequence[Sequence[str]], folder: Path) -> list[Answer]:
    """What one process answers to command lines, one after the other.

    Args:
        lines: Their words.
        folder: The working directory.

    Returns:
        One answer a line.
    """
    environment = os.environ | {"PYTHONPATH": str(Path(studentsearch.__file__).parents[1])}
    result = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        input=json.dumps([list(words) for words in lines]),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    answers: list[tuple[int, str]] = json.loads(result.stdout)
    return [
        Answer(words=tuple(words), exit_code=code, err=err) for words, (code, err) in zip(lines, answers, strict=True)
    ]
