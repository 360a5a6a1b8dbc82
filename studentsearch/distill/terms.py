"""The losses as terms: what each reads from a network's knowledge, and how two readings are compared."""

from functools import partial

from torch import Tensor

from studentsearch.distill.attention_transfer import attention_transfer_loss
from studentsearch.distill.cross_layer import Reduction, cross_layer_matrices, matrix_distance
from studentsearch.distill.dkd import dkd_loss
from studentsearch.distill.fsp import NEIGHBOURS
from studentsearch.distill.gram import Gram
from studentsearch.distill.knowledge import Knowledge, Term
from studentsearch.distill.rkd import embedding, relation_difference, relations
from studentsearch.distill.singular_vectors import singular_vector_loss
from studentsearch.errors import UsageError

Points = tuple[Tensor, ...]


def cross_layer_term(max_distance: int, reduction: Reduction) -> Term[tuple[Gram, ...]]:
    """The term of `cross_layer_loss` up to a distance."""
    return Term(
        read=lambda network: cross_layer_matrices(network.points, max_distance),
        compare=lambda student, teacher, _: matrix_distance(student, teacher, reduction),
    )


def fsp_term(reduction: Reduction) -> Term[tuple[Gram, ...]]:
    """The term of `fsp_loss`."""
    return cross_layer_term(NEIGHBOURS, reduction)


def rkd_term() -> Term[tuple[Tensor, Tensor]]:
    """The term of `rkd_loss`, on the embeddings at the last feature point."""
    return Term(
        read=lambda network: relations(embedding(_points(network)[-1])),
        compare=lambda student, teacher, _: relation_difference(student, teacher),
    )


def attention_transfer_term() -> Term[Points]:
    """The term of `attention_transfer_loss`."""
    return Term(read=_points, compare=lambda student, teacher, _: attention_transfer_loss(student, teacher))


def singular_vector_term() -> Term[Points]:
    """The term of `singular_vector_loss`; which of the student's vectors count depends on the teacher's."""
    return Term(read=_points, compare=lambda student, teacher, _: singular_vector_loss(student, teacher))


def dkd_term(temperature: float, *, squared_temperature: bool) -> Term[Tensor]:
    """The term of `dkd_loss` at a temperature."""
    loss = partial(dkd_loss, temperature=temperature, squared_temperature=squared_temperature)
    return Term(read=lambda network: network.logits, compare=loss)


def _points(network: Knowledge) -> Points:
    if not network.points:
        raise UsageError("found no feature points; expected the last one at least; name the points of both networks")
    return network.points
