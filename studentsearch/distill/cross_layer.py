"""Cross-layer distillation: Gram matrices between feature points up to a distance apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from studentsearch.distill.gram import Gram, squared_distance
from studentsearch.distill.maps import (
    as_map,
    check_widths,
    in_full_precision,
    is_even,
    paired,
    pooled,
    size_of,
    smaller_size,
)
from studentsearch.errors import UsageError

Reduction = Literal["sum", "mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPair:
    """Two feature points between which a Gram matrix is taken.

    Attributes:
        shallow: Index of the point nearer to the picture, from 0.
        deep: Index of the other, larger.
    """

    shallow: int
    deep: int


def point_pairs(num_points: int, max_distance: int) -> tuple[PointPair, ...]:
    """All pairs of feature points at distances 1 to `max_distance`.

    Args:
        num_points: Feature points of a network, >= 2.
        max_distance: Largest difference of two points' indices, from 1 to `num_points` - 1.

    Returns:
        The pairs, nearest first, and shallow to deep within a distance.

    Raises:
        UsageError: If there are no such pairs; choose a distance within the range that the message names.
    """
    if max_distance < 1:
        raise UsageError(
            f"found --cross {max_distance}; expected the largest distance between two feature points, 1 or more; "
            "3 is published; for no cross-layer term choose --method kl"
        )
    if max_distance > num_points - 1:
        cure = f"choose 1 to {num_points - 1}" if num_points > 1 else "name more points"
        raise UsageError(
            f"found --cross {max_distance} and {num_points} feature points; "
            f"expected at least {max_distance + 1} points; {cure}"
        )
    return tuple(
        PointPair(shallow=shallow, deep=shallow + distance)
        for distance in range(1, max_distance + 1)
        for shallow in range(num_points - distance)
    )


def cross_layer_loss(
    student_points: Sequence[Tensor],
    teacher_points: Sequence[Tensor],
    max_distance: int = 3,
    reduction: Reduction = "sum",
) -> Tensor:
    """(1 / B) * sum over pictures and pairs b of lambda_b * ||G_b(teacher) - G_b(student)||^2, Frobenius norm.

    Teacher and student may differ in the size of their maps, since a Gram matrix has channels only.

    Args:
        student_points: `[B, C_i, H_i, W_i]` each, shallow to deep.
        teacher_points: As many, as wide each; gradients flow to them too, for their adapters' sake.
        max_distance: Pairs of points up to so far apart are compared.
        reduction: "sum" is lambda_b = 1, as printed; "mean" is lambda_b = 1 / (number of entries of G_b), which makes
            wide and narrow points weigh alike and keeps the loss near that of the task.

    Returns:
        Scalar, float32 at least, >= 0.

    Raises:
        UsageError: If the points are not as many, not as wide, or too few for the distance.

    Source:
        Chou, Chiu and Liao, "Cross-layer knowledge distillation with KL divergence and offline ensemble for
        compressing deep neural network", APSIPA Transactions 10, 2021, e18. Distance 1 is Yim et al., CVPR 2017.
    """
    both = paired(student_points, teacher_points)
    check_widths(both)
    student = cross_layer_matrices([student for student, _ in both], max_distance)
    teacher = cross_layer_matrices([teacher for _, teacher in both], max_distance)
    return matrix_distance(student, teacher, reduction)


def cross_layer_matrices(points: Sequence[Tensor], max_distance: int = 3) -> tuple[Gram, ...]:
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
    for pair in point_pairs(len(points), max_distance):
        size = smaller_size(sized[pair.shallow][0], sized[pair.deep][0])
        matrices.append(Gram(_pooled_once(sized[pair.shallow], size), _pooled_once(sized[pair.deep], size)))
    return tuple(matrices)


def matrix_distance(student: Sequence[Gram], teacher: Sequence[Gram], reduction: Reduction = "sum") -> Tensor:
    """(1 / B) * sum over pictures and matrices b of lambda_b * ||G_b(teacher) - G_b(student)||^2, Frobenius norm.

    Args:
        student: One at least.
        teacher: As many, of the same shapes.
        reduction: As of `cross_layer_loss`.

    Returns:
        Scalar, >= 0 but for rounding.

    Raises:
        UsageError: If the matrices are not as many or not as large; an adapter on the teacher's maps is the cure.
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
