"""What a chosen method becomes for two or more networks: the points that are compared, and the objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, cast

import msgspec
import torch
from torch import Tensor, nn

from studentsearch.decoding import JsonValue
from studentsearch.distill.adapters import Adapters
from studentsearch.distill.loss import Knowledge
from studentsearch.distill.objective import Distillation, Observe
from studentsearch.engine.runtime import Runtime
from studentsearch.graph.feature_points import FeaturePoint, feature_points, match_points
from studentsearch.graph.named_points import named_points
from studentsearch.graph.network import Network
from studentsearch.graph.outputs import network_logits_path, toward_logits
from studentsearch.jobs.method_options import SHARED_SETTINGS, ChosenMethod
from studentsearch.randomness import generator
from studentsearch.student.taps import tapped


def advice(chosen: ChosenMethod) -> str:
    """What else to look at where the training diverges."""
    knowledge, temperature = chosen.options.knowledge, chosen.temperature
    is_odd = temperature is not None and not 0.5 <= temperature <= 100
    odd = f", and --temperature, which is {temperature:g} where 4 is usual" if is_odd else ""
    return odd + ("" if knowledge is None else f", and --knowledge-weight, which is {knowledge:g}")


def terms_as_json(chosen: ChosenMethod) -> dict[str, JsonValue]:
    """Everything of the loss that decides a run's outcome, defaults filled in."""
    terms, options = chosen.terms, chosen.options
    found: dict[str, JsonValue] = {
        "weights": asdict(terms.weights),
        "temperature": terms.temperature,
        "squared_temperature": terms.squared_temperature,
        "reverse": terms.reverse,
        "clipping": terms.clipping,
        "first_stage": terms.first_stage,
        "teacher_points": list(options.teacher_points),
        "student_points": list(options.student_points),
    }
    if terms.warm_up is not None:
        found["warm_up"] = asdict(terms.warm_up)
    if terms.term is not None:
        settings = cast("dict[str, JsonValue]", msgspec.to_builtins(asdict(terms.term)))
        found["settings"] = {name: value for name, value in settings.items() if name not in SHARED_SETTINGS}
    if chosen.method.code_sha256:
        found["code_sha256"] = chosen.method.code_sha256
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPlan:
    """What a method compares: maps, or none of either network for methods that compare logits only.

    Attributes:
        chosen: The method.
        student: The student's points.
        teachers: Those of each teacher.
    """

    chosen: ChosenMethod
    student: tuple[FeaturePoint, ...]
    teachers: tuple[tuple[FeaturePoint, ...], ...]


def plan_points(chosen: ChosenMethod, student: Network, teachers: Sequence[Network]) -> PointPlan:
    """The feature points of a student and its teachers, matched.

    Args:
        chosen: The method, and names of points.
        student: The student's trace.
        teachers: Their traces.

    Returns:
        The plan.
    """
    if not chosen.method.has_points:
        return PointPlan(chosen=chosen, student=(), teachers=tuple(() for _ in teachers))
    student_points = _points(student, chosen.options.student_points)
    teacher_points = tuple(_points(network, chosen.options.teacher_points) for network in teachers)
    for points in teacher_points:
        match_points(points, student_points)
    if chosen.terms.term is not None:
        chosen.terms.term.require_points(len(student_points))
    return PointPlan(chosen=chosen, student=student_points, teachers=teacher_points)


class Asked(Protocol):
    """A network that takes part: plain layers on the runtime's device, and its trace."""

    @property
    def module(self) -> nn.Module:
        """`[B, C, H, W]` to what it returns."""

    @property
    def network(self) -> Network:
        """Its trace."""


def make_objective(
    plan: PointPlan, student: Asked, teachers: Sequence[Asked], *, runtime: Runtime, seed: int
) -> Distillation:
    """The objective of a student and its teachers.

    Args:
        plan: The method and their feature points.
        student: The network that is trained.
        teachers: Networks in evaluation mode.
        runtime: Where and how precisely to compute.
        seed: Of the adapters.

    Returns:
        The objective.
    """
    adapters = [
        _adapters(points, plan, generator(seed, "distill/adapters", number)).to(runtime.device)
        for number, points in enumerate(plan.teachers)
    ]
    return Distillation(
        _observe(student, plan.student),
        [_observe(teacher, points) for teacher, points in zip(teachers, plan.teachers, strict=True)],
        plan.chosen.terms,
        parameters=tuple(student.module.parameters()),
        adapters=adapters,
        autocast=runtime.autocast,
    )


def _points(network: Network, names: tuple[str, ...]) -> tuple[FeaturePoint, ...]:
    seen = toward_logits(network)
    return named_points(seen, names) if names else feature_points(seen)


def _adapters(points: tuple[FeaturePoint, ...], plan: PointPlan, draw: torch.Generator) -> Adapters:
    widths = [point.shape[0] for point in points]
    wanted = [point.shape[0] for point in plan.student] if plan.chosen.method.equal_widths else widths
    return Adapters(widths, wanted, generator=draw)


def _observe(asked: Asked, points: tuple[FeaturePoint, ...]) -> Observe:
    place, module = network_logits_path(asked.network), asked.module
    if not points:
        return lambda inputs: Knowledge(logits=place.taken_from(module(inputs)))
    with_maps = tapped(module, asked.network, [point.node for point in points])

    def observe(inputs: Tensor) -> Knowledge:
        answer, maps = with_maps(inputs)
        return Knowledge(logits=place.taken_from(answer), points=maps)

    return observe
