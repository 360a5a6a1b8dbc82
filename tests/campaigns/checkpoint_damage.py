"""Checkpoints that cannot lie: random changes never lead to another result, and a damaged newest is survived.

python tests/campaigns/checkpoint_damage.py --count 600 --newest 100 --seed 0
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from changes import change_file
from small_runs import SmallRuns, answer, result

from studentsearch.records.names import CHECKPOINT_NAME, PREVIOUS_CHECKPOINT_NAME

STOP_AT = {"teach": 5, "distill": 5, "search": 34}
_EXIT_INPUT = 5


def changed_runs(root: Path, *, count: int, seed: int, kinds: tuple[str, ...]) -> list[str]:
    """Continue runs whose checkpoints were changed at random.

    Args:
        root: An empty folder.
        count: Runs.
        seed: Of the changes.
        kinds: Kinds of runs, in turn.

    Returns:
        A line for every run that gave another result or ended otherwise than with 0, or 5 where both are damaged.
    """
    runs, chance, failures = SmallRuns(root), random.Random(seed), []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        out = runs.fresh("changed", runs.stopped(kind, at=STOP_AT[kind]))
        names = chance.choice((
            (CHECKPOINT_NAME,),
            (CHECKPOINT_NAME,),
            (CHECKPOINT_NAME, PREVIOUS_CHECKPOINT_NAME),
            (PREVIOUS_CHECKPOINT_NAME,),
        ))
        for name in names:
            change_file(out / name, chance)
        given = answer(runs.words(kind, out))
        expected = _EXIT_INPUT if len(names) > 1 else 0
        is_same = given.exit_code != 0 or result(out) == result(runs.whole(kind))
        if given.exit_code != expected or not given.is_clean or not is_same:
            failures.append(f"{kind} {number}: exit {given.exit_code}, same {is_same}, {given.errors[-300:]}")
    return failures


def newest_runs(root: Path, *, count: int, seed: int, kinds: tuple[str, ...]) -> list[str]:
    """Continue runs whose newest checkpoint is gone, empty, truncated, or changed.

    Args:
        root: An empty folder.
        count: Runs.
        seed: Of the damages.
        kinds: Kinds of runs, in turn.

    Returns:
        A line for every run that did not continue from the one before, said so, and ended bit-equal.
    """
    runs, chance, failures = SmallRuns(root), random.Random(seed), []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        out = runs.fresh("newest", runs.stopped(kind, at=STOP_AT[kind]))
        file = out / CHECKPOINT_NAME
        damage = ("gone", "empty", "truncated", "changed")[number % 4]
        if damage == "gone":
            file.unlink()
        elif damage == "changed":
            change_file(file, chance)
        else:
            file.write_bytes(b"" if damage == "empty" else file.read_bytes()[: -chance.randrange(1, 1000)])
        given = answer(runs.words(kind, out))
        says = f"continued from the checkpoint before it, step {STOP_AT[kind] - 1}" in given.errors.replace("\n", " ")
        is_same = given.exit_code == 0 and result(out) == result(runs.whole(kind))
        if not (is_same and says and given.is_clean):
            failures.append(f"{kind} {damage}: exit {given.exit_code}, same {is_same}, {given.errors[-300:]}")
    return failures


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--newest", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kinds = ("teach", "teach", "teach", "distill", "teach", "teach", "teach", "search")
    with tempfile.TemporaryDirectory() as folder:
        changed = changed_runs(Path(folder) / "changed", count=options.count, seed=options.seed, kinds=kinds)
        newest = newest_runs(Path(folder) / "newest", count=options.newest, seed=options.seed, kinds=kinds)
    for line in (*changed, *newest):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(
        f"{options.count} changed checkpoints: {len(changed)} failures; "
        f"{options.newest} damaged newest ones: {options.newest - len(newest)} continued bit-equal\n"
    )
    return 1 if changed or newest else 0


if __name__ == "__main__":
    sys.exit(_main())
