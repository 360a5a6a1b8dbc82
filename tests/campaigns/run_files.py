"""manifest.json and metrics.csv with random changes: what is shown is what was written, or one line says what is wrong.

python tests/campaigns/run_files.py --count 300 --seed 0
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from changes import change_file
from small_runs import Answer, SmallRuns, answer, result

from studentsearch.records.names import MANIFEST_NAME, METRICS_NAME

STOP_AT = {"teach": 5, "distill": 5, "search": 34}
_REFUSED = {5, 7}


def shown(root: Path, *, name: str, count: int, seed: int, kinds: tuple[str, ...]) -> list[str]:
    """Show complete runs with one changed file: as a report, as JSON, and by the command that made them.

    Args:
        root: An empty folder.
        name: The file.
        count: Changes.
        seed: Of the changes.
        kinds: Kinds of runs, in turn.

    Returns:
        A line for every command that crashed, or showed other figures.
    """
    runs, chance, failures = SmallRuns(root), random.Random(f"{seed} {name}"), []
    shows: tuple[Callable[[str, Path], list[str]], ...] = (
        lambda _, out: ["report", str(out)],
        lambda _, out: ["report", str(out), "--json"],
        runs.words,
    )
    for number in range(count):
        kind = kinds[number % len(kinds)]
        out = runs.fresh("shown", runs.whole(kind))
        words = shows[number // len(kinds) % len(shows)](kind, out)
        expected = answer(words)
        change_file(out / name, chance)
        found = answer(words)
        if not _is_right(found, expected):
            failures.append(f"{kind} {number} {words[0]}: exit {found.exit_code}, {found.errors[-300:]}")
    return failures


def _is_right(found: Answer, expected: Answer) -> bool:
    if found.exit_code == 0:
        return found.output == expected.output and found.is_clean
    lines = [line for line in found.errors.splitlines() if line.startswith("studentsearch: error: ")]
    return found.exit_code in _REFUSED and found.is_clean and len(lines) == 1 and not found.output


def continued(root: Path, *, name: str, count: int, seed: int, kinds: tuple[str, ...]) -> list[str]:
    """Continue stopped runs with one changed file.

    Args:
        root: An empty folder.
        name: The file.
        count: Changes.
        seed: Of the changes.
        kinds: Kinds of runs, in turn.

    Returns:
        A line for every run that crashed, or ended with another result.
    """
    runs, chance, failures = SmallRuns(root), random.Random(f"{seed} continued {name}"), []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        out = runs.fresh("continued", runs.stopped(kind, at=STOP_AT[kind]))
        change_file(out / name, chance)
        found = answer(runs.words(kind, out))
        is_same = found.exit_code in _REFUSED or result(out) == result(runs.whole(kind))
        if not (is_same and found.is_clean and found.exit_code in {0, *_REFUSED}):
            failures.append(f"{kind} {number}: exit {found.exit_code}, same {is_same}, {found.errors[-300:]}")
    return failures


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failures: list[str] = []
    for name in (MANIFEST_NAME, METRICS_NAME):
        with tempfile.TemporaryDirectory() as folder:
            root, kinds = Path(folder), ("teach", "distill", "search")
            found = shown(root / "a", name=name, count=options.count, seed=options.seed, kinds=kinds)
            found += continued(root / "b", name=name, count=options.count // 5, seed=options.seed, kinds=kinds[:2])
        sys.stdout.write(
            f"{options.count} changes of {name} shown and {options.count // 5} continued: {len(found)} failures\n"
        )
        sys.stdout.flush()
        failures += found
    for line in failures:
        sys.stdout.write(f"{line}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(_main())
