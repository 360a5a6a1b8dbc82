"""The losses as terms: from two networks' knowledge to a scalar, all of one shape."""

from torch import Tensor

from studentsearch.distill.attention_transfer import attention_transfer_loss
from studentsearch.distill.cross_layer import Reduction, cross_layer_loss
from studentsearch.distill.dkd import dkd_loss
from studentsearch.distill.fsp import fsp_loss
from studentsearch.distill.knowledge import Knowledge, Term
from studentsearch.distill.rkd import embedding, rkd_loss
from studentsearch.distill.singular_vectors import singular_vector_loss
from studentsearch.errors import UsageError


def cross_layer_term(max_distance: int, reduction: Reduction) -> Term:
    """The term of `cross_layer_loss` up to a distance."""

    def term(student: Knowledge, teacher: Knowledge, _: Tensor) -> Tensor:
        return cross_layer_loss(student.points, teacher.points, max_distance, reduction)

    return term


def fsp_term(reduction: Reduction) -> Term:
    """The term of `fsp_loss`."""

    def term(student: Knowledge, teacher: Knowledge, _: Tensor) -> Tensor:
        return fsp_loss(student.points, teacher.points, reduction)

    return term


def rkd_term(student: Knowledge, teacher: Knowledge, _: Tensor) -> Tensor:
    """The term of `rkd_loss`, on the embeddings at the last feature point.

    Args:
        student: With one feature point at least.
        teacher: Likewise.

    Returns:
        Scalar.

    Raises:
        UsageError: If there is no feature point; name one.
    """
    if not student.points or not teacher.points:
        raise UsageError("found no feature points; expected the last one at least; name the points of both networks")
    return rkd_loss(embedding(student.points[-1]), embedding(teacher.points[-1]))


def attention_transfer_term(student: Knowledge, teacher: Knowledge, _: Tensor) -> Tensor:
    """The term of `attention_transfer_loss`."""
    return attention_transfer_loss(student.points, teacher.points)


def singular_vector_term(student: Knowledge, teacher: Knowledge, _: Tensor) -> Tensor:
    """The term of `singular_vector_loss`."""
    return singular_vector_loss(student.points, teacher.points)


def dkd_term(temperature: float, *, squared_temperature: bool) -> Term:
    """The term of `dkd_loss` at a temperature."""

    def term(student: Knowledge, teacher: Knowledge, labels: Tensor) -> Tensor:
        return dkd_loss(
            student.logits,
            teacher.logits,
            labels,
            temperature=temperature,
            squared_temperature=squared_temperature,
        )

    return term
