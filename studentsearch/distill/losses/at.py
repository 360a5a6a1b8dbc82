"""Attention transfer: where a network looks, as the energy of its channels at every position."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from studentsearch.distill.loss import Knowledge, LossWeights, Method, Term
from studentsearch.distill.maps import in_full_precision, paired, pooled, smaller_size


def attention_map(maps: Tensor) -> Tensor:
    """Attention map Q: the sum over channels of the squared feature map.

    Args:
        maps: `[B, C, H, W]`.

    Returns:
        `[B, 1, H, W]`, float32 at least, >= 0.
    """
    return in_full_precision(maps).square().sum(dim=1, keepdim=True)


def attention_transfer_loss(student_points: Sequence[Tensor], teacher_points: Sequence[Tensor]) -> Tensor:
    """Attention transfer: sum over points of the mean over images and positions of (Q_S / ||Q_S|| - Q_T / ||Q_T||)^2.

    Q is `attention_map`, its norm that of an image's whole map; the larger of two attention maps is average-pooled to
    the smaller. The source prints the norm of the difference, times beta / 2; its authors' code takes the mean of the
    square, times beta = 1000, as here: its gradient is finite where both agree.

    Args:
        student_points: `[B, C_i, H_i, W_i]` each, shallow to deep.
        teacher_points: As many; widths and sizes may differ.

    Returns:
        Scalar, float32 at least, >= 0.

    Source:
        Zagoruyko and Komodakis, "Paying More Attention to Attention", ICLR 2017, section 3.1 and equation 2, p = 2.
    """
    terms = []
    for student, teacher in paired(student_points, teacher_points):
        size = smaller_size(student, teacher)
        of_student, of_teacher = (
            F.normalize(pooled(attention_map(maps), size).flatten(1), dim=1) for maps in (student, teacher)
        )
        terms.append(torch.mean((of_student - of_teacher) ** 2))
    return torch.stack(terms).sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionTransfer(Term[tuple[Tensor, ...]]):
    """Attention transfer between two networks' feature points, `attention_transfer_loss`."""

    def read(self, network: Knowledge) -> tuple[Tensor, ...]:
        """The feature maps."""
        return network.points

    def compare(self, student: tuple[Tensor, ...], teacher: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """The difference of their attention maps."""
        return attention_transfer_loss(student, teacher)


METHOD = Method(
    summary="cross entropy + 1000 attention transfer",
    source="Zagoruyko and Komodakis, 2017, ICLR",
    needs="as many points on both sides",
    has_points=True,
    weights=LossWeights(knowledge=1000.0),  # the authors' code
    term=AttentionTransfer,
)
