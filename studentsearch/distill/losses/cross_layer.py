"""Cross-layer distillation: Gram matrices between feature points up to a distance apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from studentsearch.distill.gram import Gram, squared_distance
from studentsearch.distill.loss import Knowledge, LossWeights, Method, Term
from studentsearch.distill.maps import as_map, in_full_precision, is_even, pooled, size_of, smaller_size
from studentsearch.errors import UsageError

Reduction = Literal["sum", "mean"]


def point_pairs(num_points: int, max_distance: int) -> tuple[tuple[int, int], ...]:
    """All pairs of feature points at distances 1 to `max_distance`.

    Args:
        num_points: Feature points of a network, >= 2.
        max_distance: Largest difference of two points' indices, from 1 to `num_points` - 1.

    Returns:
        Indices of both points of each, the shallow one first; near pairs first, and shallow to deep within a distance.

    Raises:
        UsageError: If there are no such pairs; choose a distance within the range that the message names.
    """
    if max_distance > num_points - 1:
        cure = f"choose 1 to {num_points - 1}" if num_points > 1 else "name more points"
        raise UsageError(
            f"found --cross {max_distance} and {num_points} feature points; "
            f"expected at least {max_distance + 1} points; {cure}"
        )
    return tuple(
        (shallow, shallow + distance)
        for distance in range(1, max_distance + 1)
        for shallow in range(num_points - distance)
    )


def gram_matrices(points: Sequence[Tensor], max_distance: int) -> tuple[Gram, ...]:
    """The Gram matrices of one network between all its feature points up to a distance apart.

    A point is pooled once for each size, though several matrices read it.

    Args:
        points: `[B, C_i, H_i, W_i]` each, shallow to deep, or `[B, C_i]`.
        max_distance: Largest difference of two points' indices.

    Returns:
        Of `[B, C_i, C_j]` entries each, in the order of `point_pairs`, float32 at least.

    Raises:
        UsageError: If the points are too few for the distance; choose one that the message names.
    """
    sized = [[in_full_precision(as_map(point))] for point in points]
    matrices = []
    for shallow, deep in point_pairs(len(points), max_distance):
        size = smaller_size(sized[shallow][0], sized[deep][0])
        matrices.append(Gram(_pooled_once(sized[shallow], size), _pooled_once(sized[deep], size)))
    return tuple(matrices)


def gram_distance(student: Sequence[Gram], teacher: Sequence[Gram], reduction: Reduction) -> Tensor:
    """Cross-layer Gram loss: (1 / B) * sum over images and pairs b of lambda_b * ||G_b(teacher) - G_b(student)||^2.

    The norm is Frobenius's. Teacher and student may differ in the size of their maps, since a Gram matrix has channels
    only. Gradients flow to the teacher's maps too, for their adapters' sake.

    Args:
        student: The matrices of its pairs of points, one at least.
        teacher: As many, of the same shapes.
        reduction: "sum" is lambda_b = 1, as printed; "mean" is lambda_b = 1 / (number of entries of G_b), which makes
            wide and narrow points weigh alike and keeps the loss near that of the task.

    Returns:
        Scalar, float32 at least, >= 0 but for rounding.

    Raises:
        UsageError: If the matrices are not as many or not as large; an adapter on the teacher's maps is the cure.

    Source:
        Chou, Chiu and Liao, "Cross-layer knowledge distillation with KL divergence and offline ensemble for
        compressing deep neural network", APSIPA Transactions 10, 2021, e18. Distance 1 is Yim et al., CVPR 2017.
    """
    sizes = [[matrix.shape for matrix in matrices] for matrices in (student, teacher)]
    if sizes[0] != sizes[1]:
        raise UsageError(
            f"found Gram matrices of {_listed(sizes[0])} in the student and {_listed(sizes[1])} in the teacher; "
            "expected the same; name as many points of both networks, and put adapters, trainable 1x1 "
            "convolutions, on the teacher's maps"
        )
    terms = [
        squared_distance(of_student, of_teacher) / (math.prod(of_student.shape) if reduction == "mean" else 1)
        for of_student, of_teacher in zip(student, teacher, strict=True)
    ]
    return torch.stack(terms).sum() / len(student[0].first)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossLayer(Term[tuple[Gram, ...]]):
    """Cross-layer Gram loss of two networks, `gram_distance` of their `gram_matrices`.

    Attributes:
        max_distance: How many feature points apart two points of a matrix are at most; 3 is published.
        reduction: As of `gram_distance`.
    """

    max_distance: int = 3
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        """Refuse a distance that cannot mean anything.

        Raises:
            UsageError: A distance below 1.
        """
        if self.max_distance < 1:
            raise UsageError(
                f"found --cross {self.max_distance}; expected 1 (neighbouring feature points only) or more; "
                "3 is published; --method kl has no cross-layer term"
            )

    def read(self, network: Knowledge) -> tuple[Gram, ...]:
        """The matrices of all pairs of points."""
        return gram_matrices(network.points, self.max_distance)

    def compare(self, student: tuple[Gram, ...], teacher: tuple[Gram, ...], labels: Tensor) -> Tensor:
        """Their distance."""
        return gram_distance(student, teacher, self.reduction)

    def require_points(self, num_points: int) -> None:
        """The largest distance needs one point more."""
        point_pairs(num_points, self.max_distance)


METHOD = Method(
    summary="cross entropy + KL + Gram matrices of points up to --cross apart",
    source="Chou, Chiu and Liao, 2021, APSIPA Transactions (P1 + P2)",
    cost="one forward pass of each teacher and a matrix product a pair of points",
    needs="the same classes, as many points on both sides; adapters where widths differ",
    has_points=True,
    equal_widths=True,
    weights=LossWeights(kl=1.0, knowledge=1.0),  # as printed
    term=CrossLayer,
)


def _listed(sizes: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{first}x{second}" for first, second in sizes)


def _pooled_once(sized: list[Tensor], size: tuple[int, int]) -> Tensor:
    """The point at a size, kept in `sized`, of which the first is the point as it came."""
    for maps in sized:
        if size_of(maps) == size:
            return maps
    # Means of equal parts are means of the parts' means: half the positions read, or fewer.
    steps = (maps for maps in reversed(sized) if is_even(sized[0], size_of(maps)) and is_even(maps, size))
    sized.append(pooled(next(steps, sized[0]), size))
    return sized[-1]
