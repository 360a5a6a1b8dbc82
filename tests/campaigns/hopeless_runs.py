"""Runs that cannot work: each ends with exit 4 or 3 and a cure, and leaves nothing that is not finite.

Exit 2 is expected of options that mean nothing, 5 of files of weights that are refused when they are read.

    cd tests && python -m campaigns.hopeless_runs --count 60

Prints one line a failure and a summary; the exit code is 1 where there was one.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import torch
from campaigns import hopeless_nets

from studentsearch.cli.main import main
from studentsearch.runs.tensors import load_tensors

NET, PLAIN, EQUAL = (f"python:campaigns.hopeless_nets:{name}" for name in ("small", "plain", "equal_images"))
COMPUTE = ("--precision", "float32", "--device", "cpu")
REFUSED = {
    2: ("found", "should be"),
    3: ("lower", "choose", "give"),
    4: ("lower", "look at", "take", "give", "choose"),
    5: ("expected",),
}
WEIGHTS = "WEIGHTS "  # stands before the kind of weights that a file is made of


@dataclass(frozen=True, slots=True, kw_only=True)
class Hopeless:
    """One run.

    Attributes:
        words: The command without --out; WEIGHTS kind stands for a file.
        codes: The exit codes that say so.
    """

    words: tuple[str, ...]
    codes: tuple[int, ...] = (4,)

    @property
    def name(self) -> str:
        """The command in short."""
        return " ".join(word.removeprefix("python:campaigns.hopeless_nets:") for word in self.words)


@dataclass(slots=True)
class Outcome:
    """What was wrong with a run, in words; nothing where all is well."""

    name: str
    code: int
    line: str
    wrong: list[str] = field(default_factory=list)


def _teach(*words: str, model: str = NET, data: str = "digits", codes: tuple[int, ...] = (4,)) -> Hopeless:
    return Hopeless(words=("teach", model, "--data", data, "--epochs", "3", *words), codes=codes)


def _distill(*words: str, codes: tuple[int, ...] = (4,)) -> Hopeless:
    steps = () if "--steps" in words else ("--steps", "30")
    taught = () if "--teacher" in words else ("--teacher", "densenet_digits")
    return Hopeless(words=("distill", NET, "--data", "digits", *taught, *steps, *words), codes=codes)


def _search(*words: str, codes: tuple[int, ...] = (3, 4), teacher: str = "densenet_digits") -> Hopeless:
    steps = () if "--steps" in words else ("--steps", "40")
    budget = () if "--flops" in words else ("--flops", "60%")
    return Hopeless(words=("search", "--teacher", teacher, "--data", "digits", *budget, *steps, *words), codes=codes)


def _bad_teacher(kind: str) -> tuple[str, ...]:
    return ("--weights", f"{WEIGHTS}{kind}")


def _fresh() -> tuple[str, ...]:
    return ("--init", "scratch")


FAST: tuple[Hopeless, ...] = (
    _teach("--rate", "100", model="resnet8"),
    _teach("--rate", "1e30", model=PLAIN),
    _teach("--weight-decay", "10"),
    _search("--gate-rate", "1e10"),
    _search("--gate-rate", "1e6", "--objective", "np"),
    _search("--penalty", "1e30"),
    _distill("--teacher", NET, *_bad_teacher("one class")),
    _distill("--temperature", "1e30"),
    _search("--temperature", "1e-30"),
    _teach(data=EQUAL),
)
RUNS: tuple[Hopeless, ...] = (
    *FAST,
    # rates
    *(_teach("--rate", rate) for rate in ("30", "1e3", "1e6", "1e10", "1e20", "1e30", "1e38")),
    *(_teach("--rate", rate, model=PLAIN) for rate in ("10", "1e5", "1e15")),
    _teach("--rate", "1e3", "--warmup", "0.5", "--schedule", "cosine"),
    _teach("--rate", "1e30", "--batch", "1000"),
    _teach("--rate", "1e-30", "--steps", "120"),
    _teach("--weight-decay", "1e5"),
    _teach("--weight-decay", "1e30"),
    *(_distill("--rate", rate) for rate in ("100", "1e6", "1e30")),
    *(_distill("--rate", "1e4", "--method", name) for name in ("kl", "dkd", "rkd", "at", "fsp", "fsp_kd", "sskd")),
    _distill("--rate", "1e4", "--cross", "2", "--clip", "printed"),
    # penalties, weights of losses
    *(_search("--penalty", penalty) for penalty in ("1e3", "1e10", "1e38")),
    _search("--penalty", "0", codes=(3,)),
    _search("--penalty", "1e-30", codes=(3,)),
    _search("--penalty", "1e10", "--as-printed"),
    *(_search("--gate-rate", rate) for rate in ("1e3", "1e30")),
    *(_search("--gate-rate", rate, "--objective", "np") for rate in ("1e4", "1e10")),
    *(_search("--weight-rate", rate) for rate in ("100", "1e4", "1e10", "1e30")),
    _search("--weight-rate", "1e30", "--objective", "np"),
    _search("--gate-rate", "1e30", "--objective", "np"),
    _search("--kl-target", "1e38", "--weight-rate", "1e5"),
    _distill("--knowledge-weight", "1e38", "--method", "at"),
    _distill("--knowledge-weight", "1e38", "--method", "dkd"),
    _distill("--kl-weight", "1e38", "--method", "kl"),
    # temperatures
    *(_distill("--temperature", value) for value in ("1e-30", "1e-12", "1e10", "1e38")),
    _distill("--temperature", "1e30", "--method", "dkd"),
    _distill("--temperature", "1e-30", "--method", "dkd"),
    *(_search("--temperature", value) for value in ("1e10", "1e30")),
    _search("--temperature", "1e-38", "--squared-temperature"),
    # teachers
    *(
        _distill("--teacher", NET, *_bad_teacher(kind), *steps)
        for kind, steps in (
            ("huge", ()),
            ("zero", ()),
        )
    ),
    _distill("--teacher", NET, *_bad_teacher("nan"), "--method", "rkd", codes=(5,)),
    *(_search(*_bad_teacher(kind), teacher=NET, codes=(5,)) for kind in ("nan", "infinite statistics")),
    *(_search(*_bad_teacher(kind), teacher=NET) for kind in ("huge", "zero", "one class")),
    # images
    _teach("--steps", "200", data="python:campaigns.hopeless_nets:noise_images"),
    # what cannot mean anything
    *(_teach("--rate", rate, codes=(2,)) for rate in ("nan", "inf", "-1", "0")),
    *(_search("--penalty", penalty, codes=(2,)) for penalty in ("nan", "inf", "-1")),
    *(_search("--gate-rate", rate, codes=(2,)) for rate in ("nan", "inf", "0")),
    _search("--weight-rate", "nan", codes=(2,)),
    *(_search("--temperature", value, codes=(2,)) for value in ("nan", "inf", "0", "-4")),
    *(_distill("--temperature", value, codes=(2,)) for value in ("nan", "inf", "0", "-4")),
    *(_teach("--weight-decay", value, codes=(2,)) for value in ("nan", "inf", "-1")),
)


def attempt(run: Hopeless, folder: Path) -> Outcome:
    """Take one run to its end.

    Args:
        run: The run.
        folder: Where it may write, empty.

    Returns:
        What came of it.
    """
    words = [*(_word(word, folder) for word in run.words), *COMPUTE, "--out", str(folder / "run")]
    heard = io.StringIO()
    with redirect_stderr(heard), redirect_stdout(io.StringIO()):
        code = main(words)
    line = next((line for line in reversed(heard.getvalue().splitlines()) if line.startswith("studentsearch: ")), "")
    outcome = Outcome(name=run.name, code=code, line=line)
    if code not in run.codes:
        outcome.wrong.append(f"exit {code} where {run.codes} was expected")
    elif not any(cure in line for cure in REFUSED[code]):
        outcome.wrong.append("no cure")
    outcome.wrong += not_finite(folder / "run")
    return outcome


def not_finite(folder: Path) -> list[str]:
    """Every file below a folder that holds NaN or infinity: tensors, and cells of metrics."""
    found = [
        f"{file.name}: {name} is not finite"
        for file in sorted(folder.rglob("*.safetensors"))
        for name, tensor in load_tensors(file).items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
    for file in sorted(folder.rglob("metrics.csv")):
        with file.open(newline="", encoding="utf-8") as lines:
            cells = [cell for row in list(csv.reader(lines))[1:] for cell in row if cell]
        found += [f"{file.name}: cell {cell}" for cell in cells if not math.isfinite(float(cell))]
    return found


def _word(word: str, folder: Path) -> str:
    if not word.startswith(WEIGHTS):
        return word
    file = folder / "weights.pt"
    torch.save(hopeless_nets.weights(word.removeprefix(WEIGHTS)), file)
    return str(file)


def campaign(runs: Sequence[Hopeless], *, is_verbose: bool = False) -> list[Outcome]:
    """Take all runs, and give back those that failed.

    Args:
        runs: The runs.
        is_verbose: Whether every run's last line is printed.

    Returns:
        One outcome a failure.
    """
    failed = []
    for run in runs:
        with tempfile.TemporaryDirectory() as folder:
            outcome = attempt(run, Path(folder))
        if outcome.wrong:
            failed.append(outcome)
        if is_verbose or outcome.wrong:
            print(f"{outcome.name}\n    {outcome.line}\n    {'; '.join(outcome.wrong) or 'well'}", flush=True)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=len(RUNS))
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    chosen = RUNS[options.first : options.first + options.count]
    failures = campaign(chosen, is_verbose=options.verbose)
    print(f"{len(chosen)} hopeless runs, {len(failures)} failures")
    sys.exit(bool(failures))
