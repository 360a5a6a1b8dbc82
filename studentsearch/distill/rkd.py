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
    return distance_weight * _mean_huber(*distances) + angle_weight * _mean_huber(*angles)


def rkd_distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over all B^2 entries (i, j) of huber(d_S(i, j) / mu_S, d_T(i, j) / mu_T).

    d is the Euclidean distance of two embeddings, mu its mean over the pairs of different images. The source prints a
    sum over pairs; its authors' code averages over the whole matrix, the B zeros of the diagonal included, as here.

    Args:
        student: Embeddings `[B, D_S]`.
        teacher: Embeddings `[B, D_T]`.

    Returns:
        Scalar, >= 0; 0 for a batch of one image.

    Source:
        Park, Kim, Lu and Cho, "Relational Knowledge Distillation", CVPR 2019, equations 5 to 8, and its authors' code.
    """
    return _mean_huber(_relative_distances(student), _relative_distances(teacher))


def rkd_angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over all B^3 entries (i, j, k) of huber(cos_S(i, j, k), cos_T(i, j, k)).

    cos(i, j, k) is the cosine of the angle at j between the directions to i and to k. The source prints a sum over
    triples of different images; its authors' code averages over the whole array, as here. Entries with equal indices
    add nothing: both cosines are 0 where i or k is j, and 1 where i is k.

    Args:
        student: Embeddings `[B, D_S]`.
        teacher: Embeddings `[B, D_T]`.

    Returns:
        Scalar, >= 0; 0 for a batch of two images.

    Source:
        Park, Kim, Lu and Cho, "Relational Knowledge Distillation", CVPR 2019, equations 9 to 11, and its authors' code.
    """
    return _mean_huber(_cosines(student), _cosines(teacher))


def _mean_huber(student: Tensor, teacher: Tensor) -> Tensor:
    """The authors' smooth L1, averaged over all entries."""
    return F.huber_loss(student, teacher, delta=1.0)


def _relative_distances(embeddings: Tensor) -> Tensor:
    """`[B, B]`."""
    differences = embeddings[:, None] - embeddings[None]
    squared = differences.square().sum(dim=2)
    is_apart = squared > _SAME
    distances = torch.where(is_apart, torch.where(is_apart, squared, 1.0).sqrt(), 0.0)
    num_pairs = max(len(embeddings) * (len(embeddings) - 1), 1)
    return distances / (distances.sum() / num_pairs).clamp(min=_SAME)


def _cosines(embeddings: Tensor) -> Tensor:
    """`[B, B, B]`: at vertex j, between i and k; 0 where i or k is j, equal for both networks where i is k."""
    with without_autocast(embeddings):
        differences = embeddings[None] - embeddings[:, None]
        squared = differences.square().sum(dim=2, keepdim=True)
        is_apart = squared > _SAME
        directions = torch.where(is_apart, differences / torch.where(is_apart, squared, 1.0).sqrt(), 0.0)
        return torch.bmm(directions, directions.transpose(1, 2))
