"""Relational distillation: distances and angles between the images of a batch, as a network embeds them."""

from dataclasses import dataclass
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional as F

from studentsearch.distill.loss import Knowledge, Method, Term
from studentsearch.distill.maps import as_map, in_full_precision, without_autocast
from studentsearch.errors import UsageError

# Squared distance below which two embeddings are one point: no direction, and no gradient.
_SAME = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relations:
    """How one network relates the images of a batch.

    Attributes:
        distances: `[B, B]`, Euclidean distances of two embeddings over their mean over the pairs of different images.
        cosines: `[B, B, B]`, cosines of the angle at the first index between the directions to the second and third.
    """

    distances: Tensor
    cosines: Tensor


def embedding(point: Tensor) -> Tensor:
    """An image's embedding: its feature map's mean over positions.

    Args:
        point: `[B, C, H, W]` or `[B, C]`.

    Returns:
        `[B, C]`, float32 at least.
    """
    return in_full_precision(as_map(point)).mean(dim=(2, 3))


def relations(embeddings: Tensor) -> Relations:
    """How one network relates the images of a batch.

    Args:
        embeddings: `[B, D]`.

    Returns:
        Distances and cosines.
    """
    return Relations(distances=_relative_distances(embeddings), cosines=_cosines(embeddings))


def rkd_loss(student: Relations, teacher: Relations, *, distance_weight: float, angle_weight: float) -> Tensor:
    """Relational loss: distance_weight * mean huber(distances) + angle_weight * mean huber(cosines).

    The source prints sums over pairs and triples of different images; its authors' code averages over all B^2 and B^3
    entries, as here. Entries with equal indices add nothing: both distances are 0, both cosines are 0 where an end is
    the vertex, and 1 where both ends are one image.

    Args:
        student: Of its embeddings `[B, D_S]`.
        teacher: Of embeddings `[B, D_T]`; the widths may differ.
        distance_weight: >= 0; 25 is what the authors' code takes for classification.
        angle_weight: >= 0; 50 likewise.

    Returns:
        Scalar, float32 at least, >= 0; 0 for a batch of one image, and without angles for one of two.

    Source:
        Park, Kim, Lu and Cho, "Relational Knowledge Distillation", CVPR 2019, equations 5 to 11, and its authors' code.
    """
    distances = _mean_huber(student.distances, teacher.distances)
    return distance_weight * distances + angle_weight * _mean_huber(student.cosines, teacher.cosines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rkd(Term[Relations]):
    """Relational loss of two networks, `rkd_loss` with its settings on the embeddings at the last feature point."""

    distance_weight: Annotated[float, Meta(ge=0)] = 25.0
    angle_weight: Annotated[float, Meta(ge=0)] = 50.0

    def read(self, network: Knowledge) -> Relations:
        """The relations of the batch at the last point.

        Args:
            network: What it says about the batch.

        Returns:
            The relations.

        Raises:
            UsageError: There is no point; name one of both networks.
        """
        if not network.points:
            raise UsageError("found no feature points; expected one or more; name the points of both networks")
        return relations(embedding(network.points[-1]))

    def compare(self, student: Relations, teacher: Relations, labels: Tensor) -> Tensor:
        """How far they differ."""
        return rkd_loss(student, teacher, distance_weight=self.distance_weight, angle_weight=self.angle_weight)


METHOD = Method(
    summary="cross entropy + distances (25) and angles (50) between the images of a batch",
    source="Park, Kim, Lu and Cho, 2019, CVPR",
    cost="one forward pass of each teacher; memory grows with the batch's cube",
    needs="the last point; three images a batch or more",
    has_points=True,
    term=Rkd,
)


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
