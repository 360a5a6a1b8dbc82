"""A search on digits and short distillations of what it found, step by step."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path

from safetensors.torch import load_file

from studentsearch.cli.main import main
from studentsearch.distill.methods import methods
from studentsearch.runs.state_hash import state_sha256

_COMPUTE = ("--device", "cpu", "--precision", "float32", "--threads", "1")
_OF_THE_CLOCK = ("seconds", "images_per_second", "ms_per_image", "ms_per_step")
Course = dict[str, list[str]]


def runs(folder: Path) -> dict[str, Course]:
    """The metrics of every run by column, and the hashes of its students' weights.

    Args:
        folder: An empty folder for the runs.

    Returns:
        Columns by run; `weights` has one hash a student.
    """
    found = folder / "search"
    _run("search", "--teacher", "densenet_digits", "--flops", "70%,49%", "--steps", "60", "--gate-rate", "0.3",
         *_COMPUTE, "--out", str(found))  # fmt: skip
    courses = {"search": _course(found)}
    near = ("--cross", "2")
    losses = {
        **{method.name: near if method.name == "cross_layer" else () for method in methods()},
        "cross_layer clipped": (*near, "--clip", "printed"),
        "hinton from scratch": ("--init", "scratch"),
    }
    for name, chosen in losses.items():
        out = folder / name.replace(" ", "_")
        _run("distill", str(found), "--method", name.split()[0], "--init", "inherit", "--epochs", "1", *chosen,
             *_COMPUTE, "--out", str(out))  # fmt: skip
        courses[f"distill {name}"] = _course(out)
    return courses


def _run(*arguments: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(list(arguments))
    if code:
        raise SystemExit(f"studentsearch {' '.join(arguments)} ended with exit code {code}; expected 0")


def _course(run: Path) -> Course:
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[name] for row in rows] for name in rows[0] if name not in _OF_THE_CLOCK}
    weights = sorted(run.rglob("model.safetensors"))
    return columns | {"weights": [state_sha256(load_file(file)) for file in weights]}
