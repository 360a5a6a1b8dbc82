"""Relational distillation: distances and angles between the pictures of a batch, as a network embeds them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from studentsearch.distill.maps import as_map, in_full_precision, without_autocast

# Squared distance below which two embeddings are one point: no direction, and no gradient.
_SAME = 1e-12


def embedding(point: Tensor) -> Tensor:
    """A picture's embedding: its feature map's mean over positions.

    Args:
        point: `[B, C, H, W]` or `[B, C]`.

    Returns:
        `[B, C]`, float32 at least.
    """
    return in_full_precision(as_map(point)).mean(dim=(2, 3))


def rkd_loss(student: Tensor, teacher: Tensor, *, distance_weight: float = 25.0, angle_weight: float = 50.0) -> Tensor:
    """distance_weight * `rkd_distance_loss` + angle_weight * `rkd_angle_loss`.

    Args:
        student: Embeddings `[B, D_S]`.
        teacher: Embeddings `[B, D_T]`; the widths may differ.
        distance_weight: >= 0; 25 is what the authors' code takes for classification.
        angle_weight: >= 0; 50 likewise.

    Returns:
        Scalar, float32 at least, >= 0.

    Source:
        Park, Kim, Lu and Cho, "Relational Knowledge Distillation", CVPR 2019, section 3.2.
    """
    return relation_difference(
        relations(student), relations(teacher), distance_weight=distance_weight, angle_weight=angle_weight
    )


def relations(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """How one network relates the pictures of a batch.

    Args:
        embeddings: `[B, D]`.

    Returns:
        Distances `[B, B]` over their mean, and cosines `[B, B, B]` of the angles at the first index.
    """
    return _relative_distances(embeddings), _cosines(embeddings)


def relation_difference(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    *,
    distance_weight: float = 25.0,
    angle_weight: float = 50.0,
) -> Tensor:
    """`rkd_loss` of two networks' `relations`.

    Args:
        student: Distances `[B, B]` and cosines `[B, B, B]`.
        teacher: Likewise.
        distance_weight: As of `rkd_loss`.
        angle_weight: Likewise.

    Returns:
        Scalar, >= 0.
    """
    distances, angles = zip(student, teacher, strict=True)
    return distance_weight * _distance_difference(*distances) + angle_weight * _angle_difference(*angles)


def rkd_distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over pairs i != j of huber(d_S(i, j) / mu_S, d_T(i, j) / mu_T).

    d is the Euclidean distance of two embeddings, mu its mean over all pairs of the batch. The source prints the sum
    over pairs, its authors' code takes the mean, as here.

    Args:
        student: Embeddings `[B, D_S]`.
        teacher: Embeddings `[B, D_T]`.

    Returns:
        Scalar, >= 0; 0 for a batch of one picture.
    """
    return _distance_difference(_relative_distances(student), _relative_distances(teacher))


def rkd_angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over triples of different i, j, k of huber(cos_S(i, j, k), cos_T(i, j, k)).

    cos(i, j, k) is the cosine of the angle at j between the directions to i and to k. The source prints the sum over
    triples, its authors' code a mean, as here.

    Args:
        student: Embeddings `[B, D_S]`.
        teacher: Embeddings `[B, D_T]`.

    Returns:
        Scalar, >= 0; 0 for a batch of two pictures.
    """
    return _angle_difference(_cosines(student), _cosines(teacher))


def _distance_difference(student: Tensor, teacher: Tensor) -> Tensor:
    return _huber(student, teacher) / _num_pairs(student)


def _angle_difference(student: Tensor, teacher: Tensor) -> Tensor:
    return _huber(student, teacher) / max(len(student) * (len(student) - 1) * (len(student) - 2), 1)


def _num_pairs(of_pictures: Tensor) -> int:
    return max(len(of_pictures) * (len(of_pictures) - 1), 1)


def _huber(student: Tensor, teacher: Tensor) -> Tensor:
    return F.huber_loss(student, teacher, reduction="sum", delta=1.0)


def _relative_distances(embeddings: Tensor) -> Tensor:
    """`[B, B]`."""
    differences = embeddings[:, None] - embeddings[None]
    squared = differences.square().sum(dim=2)
    is_apart = squared > _SAME
    distances = torch.where(is_apart, torch.where(is_apart, squared, 1.0).sqrt(), 0.0)
    return distances / (distances.sum() / _num_pairs(embeddings)).clamp(min=_SAME)


def _cosines(embeddings: Tensor) -> Tensor:
    """`[B, B, B]`: at vertex j, between i and k; 0 where i or k is j, equal for both networks where i is k."""
    with without_autocast(embeddings):
        differences = embeddings[None] - embeddings[:, None]
        squared = differences.square().sum(dim=2, keepdim=True)
        is_apart = squared > _SAME
        directions = torch.where(is_apart, differences / torch.where(is_apart, squared, 1.0).sqrt(), 0.0)
        return torch.bmm(directions, directions.transpose(1, 2))
