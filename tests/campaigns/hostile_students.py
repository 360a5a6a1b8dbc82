"""Hostile and damaged student folders through every command that reads one: no code runs, no crash, one line each.

PYTHONPATH=tests python tests/campaigns/hostile_students.py --changes 300 --sealed 300 --seed 0
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pickle
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import studentsearch
from studentsearch.cli.main import main
from studentsearch.errors import StudentSearchError
from studentsearch.records.names import CONFIG_NAME

sys.path.insert(0, str(Path(__file__).parents[1]))
from campaigns.hostile_folders import HOSTILE, PICKLE, Hostile, seal, write_good

CANARY = "CANARY"
_ON_CPU = ("--device", "cpu", "--threads", "1")
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "count": lambda folder: ["count", folder],
    "evaluate": lambda folder: ["evaluate", folder, *_ON_CPU],
    "export": lambda folder: ["export", folder, "--to", "pt2"],
    "distill": lambda folder: [
        *("distill", folder, "--teacher", "densenet_digits", "--data", "digits", "--steps", "1", "--batch", "16"),
        *("--out", "distilled", *_ON_CPU),
    ],
    "report": lambda folder: ["report", folder],
    "report --html": lambda folder: ["report", folder, "--html", "page.html"],
}
_REFUSALS = {2, 5}
_DEEPER, _STRANGE = 0.95, 0.6
_VALUES: tuple[object, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        2,
        7,
        2**31,
        2**52,
        2**61,
        1.5,
        1e-300,
        1e300,
        "",
        "x",
        "same",
        "[/red]",
        "\x1b[2J",
        [],
        {},
    ),
    *([0], [1, 1], [-1], [[1]], ["$input", 0], ["$input", 3], ["$batch", 1], ["$slice", None, None, None], ["$nan"]),
)
_BLOCKS = """[{"name": "layer1", "readers": [
{"path": "layer1.0.conv1", "inputs": 4, "kept_inputs": [0, 1], "outputs": 4, "kept_outputs": [2], "macs_before": 9,
"macs_after": 2, "sources": [{"path": "conv0", "channels": 2, "kept": 1}, {"path": "x", "channels": 2, "kept": 1}],
"groups": 1},
{"path": "layer1.0.conv2", "inputs": 4, "kept_inputs": [0], "outputs": 4, "kept_outputs": [0, 3], "macs_before": 9,
"macs_after": 2, "sources": [{"path": "layer1.0.conv1", "channels": 4, "kept": 1}], "groups": 1}],
"sums": [{"name": "add", "after": "layer1.0.conv2", "channels": 4, "kept": 2,
"branches": [{"path": "layer1.0.conv2", "is_removed": false}, {"path": "conv0", "is_removed": true}]}]}]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What should not have happened."""

    folder: str
    command: str
    what: str


class _Evil:
    """Unpickled, it leaves the canary."""

    def __reduce__(self) -> tuple[Callable[[str, str], object], tuple[str, str]]:
        return (open, (CANARY, "w"))


@contextlib.contextmanager
def scene(folder: Path) -> Iterator[Path]:
    """A working directory with a good student, a module and a pickle that leave a canary, and nothing else."""
    write_good(folder / "good")
    (folder / "evil.py").write_text(f"open({CANARY!r}, 'w')\ndef make(**_): open({CANARY!r}, 'w')\n")
    (folder / "hubconf.py").write_text(f"open({CANARY!r}, 'w')\n")
    (folder / PICKLE).write_bytes(pickle.dumps(_Evil()))
    with contextlib.chdir(folder):
        yield folder


def hostile_failures(cases: Sequence[Hostile], commands: Sequence[str] = tuple(COMMANDS)) -> list[Failure]:
    """Every command on every hostile folder, in a `scene`.

    Args:
        cases: Hostile folders.
        commands: Names of `COMMANDS`.

    Returns:
        What went wrong.
    """
    failures: list[Failure] = []
    for case in cases:
        folder = Path("student")
        _remove(folder)
        shutil.copytree("good", folder)
        case.write(folder)
        failures += [Failure(folder=case.name, command="load", what=what) for what in _load(case, folder)]
        for command in commands:
            found = _run(COMMANDS[command](str(folder)))
            failures += [Failure(folder=case.name, command=command, what=what) for what in found]
    return failures


def change_failures(count: int, seed: int) -> list[Failure]:
    """Random changes of config.json alone: every one is refused, or was none, in a `scene`.

    Args:
        count: How many.
        seed: Of the changes.

    Returns:
        What went wrong.
    """
    generator, content = random.Random(seed), Path("good", CONFIG_NAME).read_bytes()
    folder = Path("student")
    _remove(folder)
    shutil.copytree("good", folder)
    failures: list[Failure] = []
    for number in range(count):
        changed = changed_content(content, generator)
        (folder / CONFIG_NAME).write_bytes(changed)
        if changed == content:
            continue
        name = f"change {number}"
        try:
            studentsearch.load(folder)
            failures.append(Failure(folder=name, command="load", what="a changed figure was taken"))
        except StudentSearchError:
            pass
        command = generator.choice(tuple(COMMANDS))
        code, lines = _main(COMMANDS[command](str(folder)))
        if code not in _REFUSALS or len(lines) != 1:
            failures.append(Failure(folder=name, command=command, what=f"exit {code}: {lines}"))
    return failures


def sealed_failures(count: int, seed: int) -> list[Failure]:
    """Random changes of single values of config.json, sealed again: taken or refused, but never a crash, in a `scene`.

    Args:
        count: How many.
        seed: Of the changes.

    Returns:
        What went wrong.
    """
    generator, config = random.Random(seed), json.loads(Path("good", CONFIG_NAME).read_text())
    config["blocks"] = json.loads(_BLOCKS)
    folder = Path("student")
    _remove(folder)
    shutil.copytree("good", folder)
    failures: list[Failure] = []
    for number in range(count):
        changed = json.loads(json.dumps(config))
        words = change_one_value(changed, generator)
        seal(folder, json.dumps(changed).encode())
        for command in ("count", "export", "report", "report --html", "evaluate"):
            found = _run(COMMANDS[command](str(folder)))
            failures += [
                Failure(folder=f"sealed change {number}: {words}", command=command, what=what) for what in found
            ]
    return failures


def change_one_value(config: object, generator: random.Random) -> str:
    """Replace one value somewhere in a JSON value by another one, and say which."""
    path = ""
    while True:
        entries = list(config.items()) if isinstance(config, dict) else list(enumerate(config))  # type: ignore[call-overload]
        key, value = generator.choice(entries)
        path += f".{key}"
        if isinstance(value, (dict, list)) and value and generator.random() < _DEEPER:
            config = value
            continue
        new = generator.choice(_VALUES) if generator.random() < _STRANGE or not isinstance(value, int) else value + 1
        config[key] = new  # type: ignore[index]
        return f"{path} = {new!r:.40}"


def changed_content(content: bytes, generator: random.Random) -> bytes:
    """A file with one random change: a bit, a figure, a word, a piece that is gone, doubled or cut off."""
    place = generator.randrange(len(content))
    match generator.randrange(6):
        case 0:
            return content[:place] + bytes([content[place] ^ 1 << generator.randrange(8)]) + content[place + 1 :]
        case 1:
            digits = [at for at, byte in enumerate(content) if chr(byte).isdigit()]
            at = generator.choice(digits)
            return content[:at] + str(generator.randrange(10)).encode() + content[at + 1 :]
        case 2:
            words = generator.choice((b"null", b"-1", b"1e999", b'"x"', b"[]", b"{}", b"NaN", b"true"))
            return content[:place] + words + content[place + len(words) :]
        case 3:
            return content[:place] + content[place + generator.randrange(1, 40) :]
        case 4:
            piece = content[place : place + generator.randrange(1, 40)]
            return content[:place] + piece + content[place:]
        case _:
            return content[:place]


def _load(case: Hostile, folder: Path) -> Iterator[str]:
    try:
        studentsearch.load(folder)(torch.zeros(1, 1, 8, 8))
        if not case.is_loaded:
            yield "was loaded"
    except StudentSearchError as error:
        if case.is_loaded:
            yield f"was not loaded: {error}"
        if "\n" in str(error):
            yield f"several lines: {error}"
    except Exception as error:
        yield f"{type(error).__name__}: {error}"
    yield from _canary()


def _run(arguments: list[str]) -> Iterator[str]:
    code, lines = _main(arguments)
    if code not in {0, *_REFUSALS}:
        yield f"exit {code}: {lines[-1:]}"
    if code != 0 and len(lines) != 1:
        yield f"{len(lines)} lines: {lines}"
    unprintable = [line for line in lines if not line.isprintable()]
    if unprintable:
        yield f"shows {unprintable[0]!r}"
    yield from _canary()
    for made in ("distilled", "page.html"):
        _remove(Path(made))


def _main(arguments: list[str]) -> tuple[int, list[str]]:
    """The exit code and what was written to stderr; of a command that ended well, to stdout as well."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    text = err.getvalue() + (out.getvalue() if code == 0 else "")
    return code, text.splitlines()


def _canary() -> Iterator[str]:
    if Path(CANARY).exists():
        Path(CANARY).unlink()
        yield "CODE WAS RUN"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _campaign(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sealed", type=int, default=300)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as place, scene(Path(place)):
        failures = hostile_failures(HOSTILE)
        failures += change_failures(given.changes, given.seed)
        failures += sealed_failures(given.sealed, given.seed)
    for failure in failures:
        print(json.dumps([failure.folder, failure.command, failure.what]))
    runs = sum("CODE" in failure.what for failure in failures)
    print(
        f"{len(HOSTILE)} hostile folders x {len(COMMANDS) + 1} ways, {given.changes} changes of config.json, "
        f"{given.sealed} more that were sealed again: "
        f"code run {runs}, failures {len(failures)}"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    torch.set_num_threads(1)
    sys.exit(_campaign(sys.argv[1:]))
