"""How a student is taught, as a user chooses it, and the objective that this becomes for two or more networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from studentsearch.decoding import JsonValue
from studentsearch.distill.adapters import Adapters
from studentsearch.distill.cross_layer import point_pairs
from studentsearch.distill.knowledge import Knowledge
from studentsearch.distill.methods import TermSettings, method
from studentsearch.distill.objective import Distillation, DistillationTerms, Observe
from studentsearch.distill.warm_up import WarmUp
from studentsearch.engine.runtime import Runtime
from studentsearch.graph.feature_points import FeaturePoint, feature_points, match_points
from studentsearch.graph.named_points import named_points
from studentsearch.graph.network import Network
from studentsearch.graph.outputs import network_place, toward_logits
from studentsearch.jobs.method_options import MethodOptions, loss_weights
from studentsearch.randomness import generator
from studentsearch.student.taps import tapped


def distillation_terms(options: MethodOptions) -> DistillationTerms:
    """The loss in full.

    Args:
        options: What the user chose.

    Returns:
        The terms.

    What cannot be is refused by `loss_weights`.
    """
    chosen, weights = method(options.name), loss_weights(options)
    settings = TermSettings(
        temperature=options.temperature,
        squared_temperature=options.squared_temperature,
        max_distance=options.max_distance,
        reduction=options.reduction,
    )
    term = chosen.make(settings) if weights.knowledge > 0 else None
    return DistillationTerms(
        weights=weights,
        term=term,
        temperature=options.temperature,
        squared_temperature=options.squared_temperature,
        reverse=options.reverse,
        clipping=options.clipping if term is not None else "off",
        first_stage=chosen.first_stage if term is not None else 0.0,
        warm_up=None if term is None else _warm_up(options.warm_up_epochs, chosen.warm_up),
    )


def _warm_up(epochs: int | None, published: WarmUp | None) -> WarmUp | None:
    if epochs is None:
        return published
    return WarmUp(epochs=epochs) if epochs else None


def compared_temperature(options: MethodOptions) -> float | None:
    """The temperature of the softened answers that are compared; None where a method compares feature maps alone."""
    weights = distillation_terms(options).weights
    is_compared = weights.kl > 0 or (weights.knowledge > 0 and not method(options.name).has_points)
    return options.temperature if is_compared else None


def advice(method: MethodOptions) -> str:
    """What else to look at where the training diverges."""
    is_odd = compared_temperature(method) is not None and not 0.5 <= method.temperature <= 100
    odd = f", and --temperature, which is {method.temperature:g} where 4 is usual" if is_odd else ""
    return odd + ("" if method.knowledge is None else f", and --kd-weight, which is {method.knowledge:g}")


def terms_as_json(options: MethodOptions) -> dict[str, JsonValue]:
    """Everything of the loss that decides a run's outcome, defaults filled in."""
    terms = distillation_terms(options)
    weights: dict[str, JsonValue] = asdict(terms.weights)
    warm_up: dict[str, JsonValue] = {} if terms.warm_up is None else {"warm_up": asdict(terms.warm_up)}
    return warm_up | {
        "weights": weights,
        "temperature": terms.temperature,
        "squared_temperature": terms.squared_temperature,
        "reverse": terms.reverse,
        "max_distance": options.max_distance,
        "reduction": options.reduction,
        "clipping": terms.clipping,
        "first_stage": terms.first_stage,
        "teacher_points": list(options.teacher_points),
        "student_points": list(options.student_points),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPlan:
    """Which maps are compared; none of either for methods that compare logits only.

    Attributes:
        student: The student's points.
        teachers: Those of each teacher.
        needs_equal_widths: Whether adapters stand where widths differ.
    """

    student: tuple[FeaturePoint, ...]
    teachers: tuple[tuple[FeaturePoint, ...], ...]
    needs_equal_widths: bool


def plan_points(options: MethodOptions, student: Network, teachers: Sequence[Network]) -> PointPlan:
    """The feature points of a student and its teachers, matched.

    Args:
        options: The method, and names of points.
        student: The student's trace.
        teachers: Their traces.

    Returns:
        The plan.
    """
    chosen = method(options.name)
    if not chosen.has_points:
        return PointPlan(student=(), teachers=tuple(() for _ in teachers), needs_equal_widths=False)
    student_points = _points(toward_logits(student), options.student_points)
    teacher_points = tuple(_points(toward_logits(network), options.teacher_points) for network in teachers)
    for points in teacher_points:
        match_points(points, student_points)
    if chosen.name == "cross_layer":
        point_pairs(len(student_points), options.max_distance)  # refuses a distance that the points do not have
    return PointPlan(student=student_points, teachers=teacher_points, needs_equal_widths=chosen.equal_widths)


def make_objective(
    student: nn.Module,
    student_network: Network,
    teachers: Sequence[nn.Module],
    teacher_networks: Sequence[Network],
    options: MethodOptions,
    *,
    runtime: Runtime,
    seed: int,
) -> Distillation:
    """The objective of a student and its teachers.

    Args:
        student: Plain layers, on the runtime's device.
        student_network: Its trace.
        teachers: Plain layers in evaluation mode, on that device.
        teacher_networks: Their traces.
        options: The method.
        runtime: Where and how precisely to compute.
        seed: Of the adapters.

    Returns:
        The objective.
    """
    plan = plan_points(options, student_network, teacher_networks)
    terms = distillation_terms(options)
    adapters = [
        _adapters(points, plan, generator(seed, "distill/adapters", number)).to(runtime.device)
        for number, points in enumerate(plan.teachers)
    ]
    return Distillation(
        _observe(student, student_network, plan.student),
        [
            _observe(module, network, points)
            for module, network, points in zip(teachers, teacher_networks, plan.teachers, strict=True)
        ],
        terms,
        parameters=tuple(student.parameters()),
        adapters=adapters,
        autocast=runtime.autocast,
    )


def _points(network: Network, names: tuple[str, ...]) -> tuple[FeaturePoint, ...]:
    return named_points(network, names) if names else feature_points(network)


def _adapters(points: tuple[FeaturePoint, ...], plan: PointPlan, draw: torch.Generator) -> Adapters:
    widths = [point.shape[0] for point in points]
    wanted = [point.shape[0] for point in plan.student] if plan.needs_equal_widths else widths
    return Adapters(widths, wanted, generator=draw)


def _observe(module: nn.Module, network: Network, points: tuple[FeaturePoint, ...]) -> Observe:
    place = network_place(network)
    if not points:
        return lambda inputs: Knowledge(logits=place.taken_from(module(inputs)))
    with_maps = tapped(module, network, [point.node for point in points])

    def observe(inputs: Tensor) -> Knowledge:
        answer, maps = with_maps(inputs)
        return Knowledge(logits=place.taken_from(answer), points=maps)

    return observe
