"""How long a trace, a cut and a recount take.

    python tests/benchmarks/scale.py --out docs/reference/scale.md

CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from studentsearch.engine.runtime import open_runtime
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.graph.gates import gate_sites, num_gates, scale_weights
from studentsearch.graph.liveness import liveness
from studentsearch.graph.trace import trace_with_state
from studentsearch.models.registry import build_model
from studentsearch.runs.files import write_text
from studentsearch.search.recipe import SearchRecipe
from studentsearch.search.stepper import SearchStepper
from studentsearch.student.build import build_with_weights
from studentsearch.student.plain import plain_network
from studentsearch.student.slice import Cut, cut

_NETS = ("resnet50", "densenet121", "densenet201", "efficientnet_b7")
_DEPTHS = (100, 300, 1000)
_IMAGE = (3, 224, 224)
_BATCH = 64
_STEPS = 3
_HEAD = """# Speed and scale

    python tests/benchmarks/scale.py --out docs/reference/scale.md

CPU seconds of one thread; Python {python}, torch {torch}, {processor}.
"""
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """CPU seconds for one net.

    Attributes:
        gates: How many it has.
        trace: From the module to the network of nodes.
        gating: Where the gates sit.
        cut: From gates, half of them closed, to the student's spec and weights.
        build: From these to a module.
        opening: All that `search` does first: trace, the same as plain layers, both compared on two images.
    """

    gates: int
    trace: float
    gating: float
    cut: float
    build: float
    opening: float


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the page, Markdown")
    out: Path | None = parser.parse_args().out
    torch.set_num_threads(1)
    parts = [_HEAD.format(python=platform.python_version(), torch=torch.__version__, processor=_processor())]
    parts += [_nets(), _chains(), _recount()]
    page = "\n".join(parts)
    print(page)
    if out:
        write_text(out, page)


def _seconds(run: Callable[[], _Result]) -> tuple[float, _Result]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def _timing(module: nn.Module, shape: tuple[int, ...]) -> Timing:
    traced_in, traced = _seconds(lambda: trace_with_state(module, shape))
    network, state = traced.network, dict(traced.state)
    gated_in, sites = _seconds(lambda: gate_sites(network))
    gates = (torch.rand(num_gates(sites), generator=torch.Generator().manual_seed(0)) >= 0.5).float()

    def cut_out() -> Cut:
        alive = liveness(network, sites, np.asarray(gates.numpy() != 0))
        return cut(network, alive, {**state, **scale_weights(state, sites, gates)})

    cut_in, student = _seconds(cut_out)
    built_in, _ = _seconds(lambda: build_with_weights(student.spec, student.tensors))
    opened_in, _ = _seconds(lambda: plain_network(module, shape))
    return Timing(
        gates=num_gates(sites), trace=traced_in, gating=gated_in, cut=cut_in, build=built_in, opening=opened_in
    )


def _nets() -> str:
    lines = [
        "## Networks of torchvision at 224 pixels\n",
        "**opening** is what a command does before its first step: the trace, the same function as plain layers, and",
        "both compared on two images (most of it is these two forward passes).\n",
        "| net | gates | trace | gates placed | cut at 50 % | build | trace and cut | opening |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in _NETS:
        timing = _timing(torchvision.models.get_model(name, weights=None).eval(), _IMAGE)
        both = timing.trace + timing.gating + timing.cut
        values = (timing.trace, timing.gating, timing.cut, timing.build, both, timing.opening)
        lines.append(f"| {name} | {timing.gates:,} | {' | '.join(f'{value:.2f}' for value in values)} |")
    return "\n".join(lines) + "\n"


def _chain(depth: int, width: int = 8) -> nn.Module:
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Conv2d(width if index else 3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)).eval()


def _chains() -> str:
    lines = [
        "## Chains of convolution, BatchNorm and ReLU\n",
        "| convolutions | trace | gates placed | cut at 50 % | all | all, ms a layer |",
        "|---|---|---|---|---|---|",
    ]
    for depth in _DEPTHS:
        timing = _timing(_chain(depth), (3, 16, 16))
        values = (timing.trace, timing.gating, timing.cut)
        cells = " | ".join(f"{value:.2f}" for value in (*values, sum(values)))
        lines.append(f"| {depth:,} | {cells} | {1000 * sum(values) / depth:.1f} |")
    return "\n".join(lines) + "\n"


class _TimedStepper(SearchStepper):
    """A search that notes what its counting takes."""

    counting = 0.0

    def _count(self, gates: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        seconds, counts = _seconds(lambda: SearchStepper._count(self, gates))
        self.counting += seconds
        return counts


def _recount() -> str:
    plain = plain_network(build_model("densenet", num_classes=100), (3, 32, 32))
    gated = GatedNetwork.of(plain.network)
    runtime = open_runtime("cpu", "float32", 1)
    stepper = _TimedStepper(plain.module, gated, SearchRecipe(), budget_macs=90_000_000, runtime=runtime)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_BATCH, 3, 32, 32, generator=generator)
    labels = torch.randint(100, (_BATCH,), generator=generator)
    stepper.step(1, images, labels)
    stepper.counting = 0.0
    whole = 0.0
    for number in range(2, 2 + _STEPS):
        seconds, _ = _seconds(partial(stepper.step, number, images, labels))
        whole += seconds
    is_open = np.asarray(stepper.iterate.numpy() != 0)
    once, _ = _seconds(lambda: gated.macs(is_open))
    step, all_counting = whole / _STEPS, stepper.counting / _STEPS
    return f"""## Counting in a search step

`densenet` (DenseNet-BC-100-12, {gated.num_gates:,} gates), {_BATCH} images of 32x32, mean of {_STEPS} steps.

| | seconds | share of a step |
|---|---|---|
| a search step | {step:.2f} | |
| one recount, after the proximal step | {once:.4f} | {once / step:.2%} |
| all counting of a step, with the forecasts that choose the penalty | {all_counting:.3f} | {all_counting / step:.2%} |
"""


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.machine()


if __name__ == "__main__":
    main()
