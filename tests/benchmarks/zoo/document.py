"""The outcomes as a page of docs."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rows import Outcome

_LIBRARIES = ("torch", "torchvision", "timm", "thop", "onnxruntime")
_TITLES = {
    "torchvision": "Every net of torchvision",
    "timm": "One member of every family of timm, the smallest, at its default size, of at most 60M parameters",
}
_HEAD = """# {title}

    python tests/benchmarks/zoo {suite} --out docs/reference/zoo_{suite}.md

{totals}

{versions}; one thread of {processor}.

Weights are random (from a seed), with scales, biases and statistics that keep every branch active. 10, 50 and 90 % of
the gates are closed at random, the others scale by 0.5 to 1.5. BatchNorm statistics are recomputed, the gates are
folded into the weights, and the student is cut out.

- **px**: image sizes. The student is cut once, for the first size, and compared at both.
- **ungated**: layers without gates of their own, or that are never cut (first convolution, depthwise, attention, ...).
- **trace s**: CPU seconds from the module to the same network as plain layers, comparison included.
- **cut s**: CPU seconds from gates to the student's module, the longest of three.
- **difference**: largest difference between the student's and the gated network's logits, relative to the largest
  logit, over three cuts and both sizes; in float64 after the slash. The gated network is the library's own module with
  gated weights. *plain* marks networks where it is our plain layers instead, because the library computes a weight
  before it uses it, or nothing reads some of its filters.
- **counter**: the independent counter that gives the same multiply-accumulates as ours, as integers, at all three cuts:
  thop, or half of torch's FlopCounterMode where thop cannot count.
- **train**: whether one step of SGD runs. **reload**: whether a fresh process gives the same bits, by
  `studentsearch.load` and by `build()` of model.py. **onnx**: largest difference of onnxruntime's logits from the
  student's, relative. These three at 50 %.

| net | px | gates | ungated | trace s | cut s | difference | counter | train | reload | onnx | note |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def document(suite: str, outcomes: Sequence[Outcome], missing: Sequence[str]) -> str:
    """The page of a suite.

    Args:
        suite: Its library.
        outcomes: Its rows, in order.
        missing: Names that were not run.

    Returns:
        Markdown.
    """
    head = _HEAD.format(
        title=_TITLES[suite],
        suite=suite,
        totals=_totals(outcomes, missing),
        versions=_versions(suite),
        processor=_processor(),
    )
    return head + "".join(f"{_row(outcome)}\n" for outcome in outcomes)


def _totals(outcomes: Sequence[Outcome], missing: Sequence[str]) -> str:
    counts = Counter(outcome.status for outcome in outcomes)
    words = ", ".join(f"{counts[status]} {status}" for status in ("passed", "refused", "failed"))
    text = f"{len(outcomes)} nets: {words}."
    brief = sum(outcome.is_brief for outcome in outcomes)
    exported = sum(outcome.onnx_difference is not None for outcome in outcomes)
    if brief:
        text += (
            f" {brief} of them ran with `--brief`: traced, cut and compared, at one size; their last columns are empty."
        )
    elif exported < counts["passed"]:
        text += f" {exported} of them were exported to ONNX, the others ran with `--quick`."
    return text + (f"\n\nNot run: {', '.join(missing)}." if missing else "")


def _versions(suite: str) -> str:
    names = [name for name in _LIBRARIES if name != "timm" or suite == "timm"]
    return ", ".join((f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)))


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.machine()


def _row(outcome: Outcome) -> str:
    sizes = ", ".join(str(size) for size in outcome.sizes)
    if outcome.refused:
        cells = [outcome.name, sizes, *[""] * 9, f"refused: {outcome.refused}"]
    else:
        exact = "" if outcome.exact_difference is None else f" / {outcome.exact_difference:.0e}"
        cells = [
            outcome.name,
            sizes,
            f"{outcome.gates:,}",
            str(outcome.whole),
            _seconds(outcome.trace_seconds),
            _seconds(outcome.cut_seconds),
            f"{_small(outcome.difference)}{exact}{' plain' if outcome.reference == 'plain' else ''}",
            *_artifacts(outcome),
            "; ".join((*(f"failed: {problem}" for problem in outcome.problems), *outcome.notes)),
        ]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _artifacts(outcome: Outcome) -> tuple[str, ...]:
    """What was found of the student's count, training, files and export."""
    if outcome.is_brief:
        return ("",) * 4
    return (
        f"{outcome.counter} {'=' if outcome.is_counted else 'other'}",
        "yes" if outcome.is_trained else "no",
        "same bits" if outcome.is_reloaded else "no",
        _small(outcome.onnx_difference),
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _small(value: float | None) -> str:
    return "" if value is None else f"{value:.0e}"
