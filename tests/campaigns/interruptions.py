"""Runs that are killed, told to end, or run out of disk, at random moments: continued, they equal the whole run.

python tests/campaigns/interruptions.py --seed 0
python tests/campaigns/interruptions.py --seed 0 --disk /mnt/small     (as root: a tmpfs is mounted there)
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from changes import change_file
from small_runs import SmallRuns, begin, die_going_back, diverging, ended, result, steps_patched

from studentsearch.records.names import CHECKPOINT_NAME, PREVIOUS_CHECKPOINT_NAME

_EXIT_DISK = 6
_SECONDS_BETWEEN_CHECKPOINTS = 0.05
_KB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often what is done.

    Attributes:
        name: For the summary.
        count: Runs.
        signals: What is sent, a millisecond apart.
    """

    name: str
    count: int
    signals: tuple[signal.Signals, ...]


PLANS = (
    Plan(name="kill -9", count=50, signals=(signal.SIGKILL,)),
    Plan(name="SIGTERM", count=30, signals=(signal.SIGTERM,)),
    Plan(name="SIGINT", count=30, signals=(signal.SIGINT,)),
    Plan(name="SIGHUP", count=30, signals=(signal.SIGHUP,)),
    Plan(name="two SIGTERM", count=20, signals=(signal.SIGTERM, signal.SIGTERM)),
)
NUM_DISK_SIZES = 20
NUM_ROLL_BACK_KILLS = 20
_DIVERGES_AT = 25  # of the 40 steps of "teach back", in its third epoch


def signalled(root: Path, plan: Plan, *, seed: int, kinds: tuple[str, ...], steps: int = 60) -> list[str]:
    """Send signals to runs at random moments, then continue them.

    Args:
        root: A folder, shared by several plans.
        plan: Which signals, how often.
        seed: Of the moments.
        kinds: Kinds of runs, in turn.
        steps: Of teach and distill.

    Returns:
        A line for every run that ended otherwise than clean, or was not equal in the end.
    """
    runs, chance, failures = SmallRuns(root, steps=steps), random.Random(f"{seed} {plan.name}"), []
    log, durations = root / "log", {kind: _duration(runs, kind) for kind in set(kinds)}
    with steps_patched(save_every_seconds=_SECONDS_BETWEEN_CHECKPOINTS):
        for number in range(plan.count):
            kind = kinds[number % len(kinds)]
            out = runs.fresh("interrupted")
            process = begin(runs.words(kind, out), log)
            time.sleep(chance.uniform(0, durations[kind]))
            for sent in plan.signals:
                # The process stays there to be signalled until it is waited for, even where it has ended.
                os.kill(process, sent)
                time.sleep(0.001)
            exit_code, text = ended(process), log.read_text()
            expected = {0, -9} if plan.signals[0] == signal.SIGKILL else {0, 128 + plan.signals[0]}
            line = _continued(runs, kind, out, log)
            if exit_code not in expected or "Traceback" in text or "xception" in text or line:
                failures.append(f"{plan.name} {kind} {number}: exit {exit_code}; {line}; {text[-300:]}")
    return failures


def killed_going_back(root: Path, *, events: Sequence[int], seed: int, kinds: tuple[str, ...]) -> list[str]:
    """Kill runs while they go back after a divergence, damage the newest checkpoint of every other, continue them.

    Args:
        root: A folder.
        events: At which opening or renaming of a file, counted from where it goes back.
        seed: Of the damages.
        kinds: Kinds of runs that go back, in turn.

    Returns:
        A line for every run that was not killed, or was not equal in the end.
    """
    runs, chance, failures = SmallRuns(root), random.Random(f"{seed} back"), []
    log = root / "log"
    with diverging(at=_DIVERGES_AT), steps_patched(save_every_seconds=0.0):
        for number, event in enumerate(events):
            kind = kinds[number % len(kinds)]
            out = runs.fresh("back")
            exit_code = ended(begin(runs.words(kind, out), log, first=partial(die_going_back, event=event)))
            damaged = number // len(kinds) % 2 == 1 and (out / PREVIOUS_CHECKPOINT_NAME).exists()
            if damaged and (out / CHECKPOINT_NAME).exists():
                change_file(out / CHECKPOINT_NAME, chance)
            line = _continued(runs, kind, out, log)
            is_told = not damaged or "continued from the checkpoint before it" in log.read_text()
            if exit_code != -signal.SIGKILL or line or not is_told:
                failures.append(f"{kind} at event {event}: exit {exit_code}, damaged {damaged}, told {is_told}; {line}")
    return failures


def _duration(runs: SmallRuns, kind: str) -> float:
    whole, began = runs.root / f"whole-{kind}", time.monotonic()
    if not whole.exists():
        runs.words(kind, whole)
        began = time.monotonic()
        assert ended(begin(runs.words(kind, whole), runs.root / "log")) == 0
        (runs.root / f"seconds-{kind}").write_text(str(time.monotonic() - began))
    return float((runs.root / f"seconds-{kind}").read_text())


def _continued(runs: SmallRuns, kind: str, out: Path, log: Path) -> str:
    """Run the same command again; what is wrong with its end."""
    exit_code = ended(begin(runs.words(kind, out), log))
    if exit_code != 0:
        return f"continued: exit {exit_code}, {log.read_text()[-300:]}"
    whole, found = result(runs.whole(kind)), result(out)
    leftovers = [str(file) for file in out.rglob("*.tmp")]
    differing = [name for name in whole | found if whole.get(name) != found.get(name)]
    return "; ".join([*(f"{name} differs" for name in differing), *(f"{name} is left" for name in leftovers)])


def full_disks(root: Path, *, count: int, seed: int, kinds: tuple[str, ...], disk: Path | None) -> list[str]:
    """Let runs fill a disk, free space, and continue them.

    Args:
        root: A folder.
        count: Sizes of the disk.
        seed: Of the sizes.
        kinds: Kinds of runs, in turn.
        disk: Where a tmpfs of that size is mounted; None bounds the size of single files instead.

    Returns:
        A line for every run that ended otherwise than with 6 (or 0 where it fits), or was not equal in the end.
    """
    runs, chance, failures = SmallRuns(root, steps=60), random.Random(seed), []
    log = root / "log"
    for kind in set(kinds):
        _duration(runs, kind)
    with steps_patched(save_every_seconds=_SECONDS_BETWEEN_CHECKPOINTS):
        for number in range(count):
            kind = kinds[number % len(kinds)]
            size = round(2 ** chance.uniform(1.5, 11.5)) * 1 * _KB
            if disk is None:
                out = runs.fresh("full")
                exit_code = ended(begin(runs.words(kind, out), log, largest_file=size))
                text = log.read_text()
                line = _continued(runs, kind, out, log)
            else:
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True)
                try:
                    out = disk / "run"
                    exit_code = ended(begin(runs.words(kind, out), log))
                    text = log.read_text()
                    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
                    line = _continued(runs, kind, out, log)
                finally:
                    subprocess.run(["umount", str(disk)], check=True)
            if exit_code not in {0, _EXIT_DISK} or "Traceback" in text or line:
                failures.append(f"{kind} on {size} bytes: exit {exit_code}; {line}; {text[-300:]}")
    return failures


def _summary(name: str, count: int, failures: list[str]) -> int:
    sys.stdout.write("\n".join([f"{name}: {count - len(failures)} equal in the end", *failures, ""]))
    sys.stdout.flush()
    return len(failures)


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--disk", type=Path)
    options = parser.parse_args()
    kinds = ("teach", "teach", "distill", "teach", "search")
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for plan in PLANS:
            found = signalled(Path(folder), plan, seed=options.seed, kinds=kinds)
            failures += _summary(f"{plan.name} at {plan.count} moments", plan.count, found)
        found = killed_going_back(
            Path(folder), events=range(NUM_ROLL_BACK_KILLS), seed=options.seed, kinds=("teach back", "search back")
        )
        failures += _summary(f"kill -9 at {NUM_ROLL_BACK_KILLS} moments of a roll-back", NUM_ROLL_BACK_KILLS, found)
        found = full_disks(Path(folder), count=NUM_DISK_SIZES, seed=options.seed, kinds=kinds, disk=options.disk)
        failures += _summary(f"full disk at {NUM_DISK_SIZES} sizes", NUM_DISK_SIZES, found)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(_main())
