"""What the terms of a distillation cost: steps of ResNet-32 to ResNet-8, batch 128, as ratios within one run.

    python tests/benchmarks/distillation.py

Every variant takes its steps in turn, so that a busy machine slows all of them alike; on a CPU with one thread the
seconds are the processor's own. A step is forward passes, backward passes and the optimizer. Weights are random, since
no cost depends on them.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from studentsearch.engine.objective import Moment
from studentsearch.engine.runtime import Runtime, open_runtime
from studentsearch.jobs.knowledge import make_objective, plan_points
from studentsearch.jobs.method_options import MethodOptions, chosen_method
from studentsearch.models.registry import build_model
from studentsearch.student.plain import PlainNetwork, plain_network

_MOMENT = Moment(epoch=0, share=0.0)
_CROSS = MethodOptions(name="cross_layer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A loss, and how many teachers it has."""

    name: str
    method: MethodOptions
    num_teachers: int = 1


_VARIANTS = (
    Variant(name="CE", method=MethodOptions(name="none"), num_teachers=0),
    Variant(name="CE + KL", method=MethodOptions(name="kl")),
    Variant(name="CE + KL + cross 1", method=replace(_CROSS, settings={"max_distance": 1})),
    Variant(name="CE + KL + cross 3", method=_CROSS),
    Variant(name="CE + KL + cross 3, clipped", method=replace(_CROSS, clipping="printed")),
    Variant(name="CE + KL, three teachers", method=MethodOptions(name="kl"), num_teachers=3),
    Variant(name="CE + KL + cross 3, three teachers", method=_CROSS, num_teachers=3),
    *(Variant(name=name, method=MethodOptions(name=name)) for name in ("fsp_kd", "at", "rkd", "dkd", "sskd")),
)


def main() -> None:
    """Parse, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    runtime = open_runtime(options.device, "auto", options.threads)
    steps = [_Step(variant, runtime, options.batch) for variant in _VARIANTS]
    for step in steps:
        step.take()
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(options.rounds):
        for step, own in zip(steps, seconds, strict=True):
            own.append(step.timed())
    base = statistics.median(seconds[1])
    print(
        f"{runtime.name()}, batch {options.batch}, {options.rounds} rounds; CE + KL takes {1000 * base:.0f} ms a step"
    )
    print("| loss | median | of CE + KL | least | of CE + KL |\n|---|---|---|---|---|")
    for variant, own in zip(_VARIANTS, seconds, strict=True):
        middle, least = statistics.median(own), min(own)
        ratios = middle / base, least / min(seconds[1])
        print(
            f"| {variant.name} | {1000 * middle:.0f} ms | {ratios[0]:.2f} | {1000 * least:.0f} ms | {ratios[1]:.2f} |"
        )
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


class _Step:
    """One variant, ready to take steps."""

    def __init__(self, variant: Variant, runtime: Runtime, batch: int) -> None:
        torch.manual_seed(0)
        student = _placed("resnet8", runtime)
        student.module.train()
        teachers = [_placed("resnet32", runtime) for _ in range(variant.num_teachers)]
        plan = plan_points(chosen_method(variant.method), student.network, [teacher.network for teacher in teachers])
        self._objective = make_objective(plan, student, teachers, runtime=runtime, seed=0)
        is_alone = runtime.device.type == "cpu" and torch.get_num_threads() == 1
        self._clock = time.process_time if is_alone else time.perf_counter
        self._sgd = torch.optim.SGD(student.module.parameters(), lr=1e-4, momentum=0.9, nesterov=True)
        self._inputs = torch.randn(batch, 3, 32, 32).to(runtime.device).to(memory_format=torch.channels_last)
        self._labels = (torch.arange(batch) % 100).to(runtime.device)

    def take(self) -> Tensor:
        """One step."""
        self._sgd.zero_grad()
        loss = self._objective.backward(self._inputs, self._labels, _MOMENT)["loss"]
        self._sgd.step()
        return loss

    def timed(self) -> float:
        """Seconds of one step, until its loss is known."""
        started = self._clock()
        self.take().item()
        return self._clock() - started


def _placed(name: str, runtime: Runtime) -> PlainNetwork:
    plain = plain_network(build_model(name, num_classes=100), (3, 32, 32))
    plain.module.to(runtime.device).to(memory_format=torch.channels_last)
    return plain


if __name__ == "__main__":
    main()
