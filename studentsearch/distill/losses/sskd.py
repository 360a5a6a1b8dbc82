"""SSKD with SVD: how the leading singular vectors of neighbouring feature points relate."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from studentsearch.distill.loss import Knowledge, Method, Term
from studentsearch.distill.maps import check_widths, in_full_precision, paired, without_autocast

_SPARE = 3  # vectors of the student's beyond the teacher's among which the nearest are sought
_WIDTH = 8.0  # of the radial basis function, the authors' value


def singular_vector_loss(
    student_points: Sequence[Tensor], teacher_points: Sequence[Tensor], *, num_vectors: int
) -> Tensor:
    """Singular vector loss: (1 / B) * sum over images, neighbouring points, channels i, j and k of (p_T - p_S)^2.

    p[i, j, k] = exp(-(v[i, k] - v'[j, k])^2 / 8) correlates two neighbouring points. v `[C, k]` holds a point's leading
    right singular vectors (positions by channels). Each of the teacher's is weighted by its singular value over the
    norm of those kept; in its place the student has that of its own leading `num_vectors` + 3 which is nearest
    up to sign, weighted alike.

    What differs from the print: a vector's sign, which a decomposition leaves open, is such that the teacher's entries
    sum to 0 or more; the mean over the batch is taken; and a singular vector's gradient leaves out directions whose
    singular values cannot be told apart, so that it is finite for every map. Decompositions are of the smaller of
    both sides; on CUDA they wait for the host.

    Args:
        student_points: `[B, C_i, H_i, W_i]` each, shallow to deep.
        teacher_points: As many, as wide each.
        num_vectors: Singular vectors kept, >= 1; 1 as the source chooses.

    Returns:
        Scalar, float32 at least, >= 0.

    Source:
        Lee, Kim and Song, "Self-supervised Knowledge Distillation Using Singular Value Decomposition", ECCV 2018,
        sections 3.1 and 3.2.
    """
    both = paired(student_points, teacher_points)
    check_widths(both)
    aligned = [_aligned(student, teacher, num_vectors) for student, teacher in both]
    total = in_full_precision(both[0][0]).new_zeros(())
    for shallow, deep in pairwise(aligned):
        of_student, of_teacher = (_correlations(*vectors) for vectors in zip(shallow, deep, strict=True))
        total = total + torch.sum((of_teacher - of_student) ** 2)
    return total / both[0][0].shape[0]


def right_singular_vectors(maps: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The leading right singular vectors of every image's map, read as a matrix of positions by channels.

    Args:
        maps: `[B, C, H, W]`.
        count: How many, >= 1; fewer come where the matrix has fewer.

    Returns:
        Unit vectors `[B, C, count]`, largest singular value first, each with a sum >= 0, differentiable; and their
        singular values `[B, count]`, without gradient.
    """
    rows = in_full_precision(maps).flatten(2)
    num_channels, num_positions = rows.shape[1:]
    count = min(count, num_channels, num_positions)
    with without_autocast(rows):
        if num_channels <= num_positions:
            vectors, values = _leading_eigenvectors(torch.bmm(rows, rows.transpose(1, 2)), count)
        else:
            left, values = _leading_eigenvectors(torch.bmm(rows.transpose(1, 2), rows), count)
            vectors = _unit(torch.bmm(rows, left))
    vectors = torch.where(vectors.sum(dim=1, keepdim=True) < 0, -vectors, vectors)
    return vectors, values.clamp(min=0).sqrt()


@dataclass(frozen=True, slots=True, kw_only=True)
class SingularVectors(Term[tuple[Tensor, ...]]):
    """Singular vector loss of two networks' feature points, `singular_vector_loss` with its setting."""

    num_vectors: Annotated[int, Meta(ge=1)] = 1

    def read(self, network: Knowledge) -> tuple[Tensor, ...]:
        """The feature maps; which of the student's vectors count depends on the teacher's."""
        return network.points

    def compare(self, student: tuple[Tensor, ...], teacher: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """The difference of their correlations."""
        return singular_vector_loss(student, teacher, num_vectors=self.num_vectors)


METHOD = Method(
    summary="cross entropy + correlations of leading singular vectors",
    source="Lee, Kim and Song, 2018, ECCV",
    cost="one forward pass of each teacher and two decompositions a point and image, which on CUDA wait for the host",
    needs="as many points on both sides; adapters where widths differ",
    has_points=True,
    equal_widths=True,
    term=SingularVectors,  # the authors add both losses; their clipping is --clip's
)


def _leading_eigenvectors(matrices: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Of symmetric `[B, N, N]`: vectors `[B, N, count]` and values `[B, count]`, largest first."""
    # Computed without gradient; added is the first order of perturbation theory, which is zero in value and has the
    # derivative of an eigenvector: the sum over j of v_j (v_j' dA v_i) / (lambda_i - lambda_j).
    fixed = matrices.detach()
    # A decomposition of what is not finite raises; the loss shall tell of it instead, through `change` below.
    values, vectors = torch.linalg.eigh(torch.nan_to_num(fixed, nan=0.0, posinf=0.0, neginf=0.0))
    leading, leading_values = vectors[..., -count:].flip(-1), values[..., -count:].flip(-1)
    gaps = leading_values[:, None, :] - values[:, :, None]
    # Rounding leaves an error of a few eps of the largest eigenvalue in each.
    smallest = 100 * torch.finfo(values.dtype).eps * values.abs().amax(dim=1)[:, None, None]
    is_apart = gaps.abs() > smallest
    inverse = torch.where(is_apart, 1 / torch.where(is_apart, gaps, 1.0), 0.0)
    change = matrices - fixed
    turned = vectors.transpose(1, 2) @ change @ leading
    return leading + vectors @ (inverse * turned), leading_values


def _unit(vectors: Tensor) -> Tensor:
    """Columns of `[B, N, k]` at length 1, or zero, without gradient, where they are zero."""
    squared = vectors.square().sum(dim=1, keepdim=True)
    is_there = squared > 0
    return torch.where(is_there, vectors / torch.where(is_there, squared, 1.0).sqrt(), 0.0)


def _aligned(student: Tensor, teacher: Tensor, num_vectors: int) -> tuple[Tensor, Tensor]:
    """Student's and teacher's weighted vectors `[B, C, k]` of one point."""
    of_teacher, values = right_singular_vectors(teacher, num_vectors)
    candidates, _ = right_singular_vectors(student, num_vectors + _SPARE)
    with without_autocast(candidates):
        cosines = (candidates.transpose(1, 2) @ of_teacher).detach()
        nearest = cosines.abs().argmax(dim=1, keepdim=True)
        is_chosen = torch.arange(cosines.shape[1], device=cosines.device)[None, :, None] == nearest
        of_student = candidates @ torch.where(is_chosen, torch.where(cosines < 0, -1.0, 1.0), 0.0).to(cosines.dtype)
    weights = _unit(values[:, :, None]).transpose(1, 2)
    return of_student * weights, of_teacher * weights


def _correlations(shallow: Tensor, deep: Tensor) -> Tensor:
    """`[B, C, k]` and `[B, C', k]` to `[B, C, C', k]`."""
    return torch.exp(-((shallow[:, :, None] - deep[:, None]) ** 2) / _WIDTH)
