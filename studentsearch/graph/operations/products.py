"""Products of tensors: matrices, einsum, attention; they keep all channels, and cost multiply-accumulates."""

from __future__ import annotations

import math

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.network import Node
from studentsearch.graph.operations.operation_record import Family, OperationRecord, ungated
from studentsearch.graph.operations.propagation import Applied, Propagation, all_channels

_F = "torch.nn.functional."
_HIDDEN = "01234"  # names of the axes that an ellipsis stands for, the last of them last
_UNGATED = """
    addbmm addmm addmv baddbmm cdist cosine_similarity cross dist dot inner kron mv outer pairwise_distance tensordot
    vdot
"""
_UNGATED_LINALG = "cross det diagonal matmul matrix_norm matrix_power multi_dot norm vecdot"


def attention(applied: Applied) -> Propagation:
    """All channels: every head reads every feature, and every position every other."""
    return all_channels(applied, "attends over all features", axis=1)


def _attention_macs(applied: Applied, _: Propagation) -> int:
    tokens, features = applied.shape
    return 4 * tokens * features + 2 * tokens**2


def matrix_product(applied: Applied) -> Propagation:
    """All channels; the cost is one multiplication an entry of the output and of the axis that is summed over."""
    return all_channels(applied)


def _matrix_macs(applied: Applied, propagation: Propagation) -> int:
    summed = applied.sources[0].shape[-1]
    if applied.operation.name.endswith("attention"):
        summed = 2 * applied.sources[1].shape[-2]
    return math.prod(applied.shape) // applied.shape[propagation.axis] * summed


def einsum(applied: Applied) -> Propagation:
    """All channels; a product of two tensors costs one multiplication an entry of the output and of what is summed."""
    return all_channels(applied)


def _einsum_macs(applied: Applied, propagation: Propagation) -> int:
    # As torch computes it: an index that one tensor alone has is summed over before, and a product in which nothing is
    # summed over is one of entries, which costs nothing as everywhere.
    equation = applied.argument("equation", 0)
    assert isinstance(equation, str)
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = [_axis_names(term, source) for term, source in zip(inputs.split(","), applied.sources, strict=True)]
    if len(terms) > 2:
        raise UnsupportedGraphError(
            f"torch.einsum of {len(terms)} tensors, whose order of multiplication depends on what is installed; "
            "expected one or two; write it as products of two tensors each"
        )
    if len(terms) == 1:
        return 0
    kept = set(output.replace("...", _HIDDEN)) if arrow else {name for name in inputs if inputs.count(name) == 1}
    kept |= set() if arrow else set(_HIDDEN)
    # From the end, since the batch has no size here.
    first, second = (
        dict(zip(reversed(term), reversed(source.shape), strict=False))
        for term, source in zip(terms, applied.sources, strict=True)
    )
    sizes = {name: max(first.get(name, 1), second.get(name, 1)) for name in first | second}
    summed = {name for name in sizes if name not in kept and min(first.get(name, 1), second.get(name, 1)) > 1}
    total = math.prod(size for name, size in sizes.items() if name in kept | summed) if summed else 0
    return total // applied.shape[propagation.axis]


def _axis_names(term: str, source: Node) -> str:
    """A term of an equation with a name for each axis."""
    is_parameter = source.operation.kind == "Parameter"
    num_axes = len(source.operation.integers("shape")) if is_parameter else len(source.shape) + 1
    num_hidden = num_axes - len(term.replace("...", ""))
    return term.replace("...", _HIDDEN[len(_HIDDEN) - num_hidden :])


RECORDS = (
    OperationRecord(
        name="MultiheadAttention",
        propagate=attention,
        macs=_attention_macs,
        has_tensors=True,
        has_parts=True,
        keeps_shape=True,
        is_counted_by_thop=False,
    ),
    *(
        OperationRecord(
            name=name,
            family=Family.PRODUCT,
            propagate=matrix_product,
            macs=_matrix_macs,
            is_counted_by_thop=False,
        )
        for name in ("torch.matmul", "torch.bmm", f"{_F}scaled_dot_product_attention")
    ),
    OperationRecord(
        name="torch.einsum", family=Family.PRODUCT, propagate=einsum, macs=_einsum_macs, is_counted_by_thop=False
    ),
    *ungated(f"torch.{name}" for name in _UNGATED.split()),
    *ungated(f"torch.linalg.{name}" for name in _UNGATED_LINALG.split()),
    *ungated(f"{_F}{name}" for name in ("bilinear", "cosine_similarity", "pairwise_distance")),
    *ungated(("Bilinear", "CosineSimilarity", "PairwiseDistance", "Tensor.__rmatmul__")),
)
