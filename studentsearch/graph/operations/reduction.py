"""Sums, means and largest entries over axes; operations that mix the entries along one axis; statistics and sorting."""

from __future__ import annotations

from studentsearch.graph.arguments import Argument
from studentsearch.graph.dependencies import same
from studentsearch.graph.operations.constants import GIVEN_BACK, NOT_FOLDED
from studentsearch.graph.operations.operation_record import Family, OperationRecord, RecordedAs, ungated
from studentsearch.graph.operations.propagation import Applied, Propagation, PropagationRule, all_channels

_F = "torch.nn.functional."
_NORMS = frozenset({"torch.norm", "torch.linalg.vector_norm"})
_REDUCTIONS = ("mean", "sum", "amax", "amin", "var", "std", "prod", "logsumexp", "norm", "linalg.vector_norm")
_UNGATED = """
    argmax argmin argsort count_nonzero cummax cummin cumprod diff logcumsumexp median mode nanmean nanmedian
    nanquantile nansum quantile sort std_mean topk trapezoid var_mean kthvalue all any
"""
_UNGATED_FFT = """
    fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn fftshift ifftshift
"""


def reduction(applied: Applied) -> Propagation:
    """A sum, mean or largest value over axes: each channel on its own, unless channels are summed over."""
    (source,) = applied.sources
    axes = reduced_axes(applied)
    if source.axis in axes or -1 in axes:
        return all_channels(applied, "sums over channels")
    is_kept = len(applied.shape) == len(source.shape)
    axis = source.axis if is_kept else source.axis - sum(axis < source.axis for axis in axes)
    return Propagation(axis=axis, dependencies=(same(source.num_channels),))


def reduced_axes(applied: Applied) -> tuple[int, ...]:
    """The axes that a sum, mean or largest value is taken over, without the batch."""
    return applied.axes("dim", 2 if applied.operation.name in _NORMS else 1)


def mixing_along(name: str, position: int, default: Argument = -1) -> PropagationRule:
    """The rule of operations that mix entries along one axis and keep the shape: softmax, normalize.

    Args:
        name: The argument that names the axis.
        position: Its position in a call.
        default: Its value where none is given.

    Returns:
        A rule.
    """

    def rule(applied: Applied) -> Propagation:
        """Entries along one axis are mixed: all channels where that is theirs, else each channel on its own."""
        source = applied.sources[0]
        if source.axis in applied.axes(name, position, default):
            return all_channels(applied)
        return Propagation(axis=source.axis, dependencies=(same(source.num_channels),) * len(applied.sources))

    return rule


_SOFTMAX = mixing_along("dim", 1)
RECORDS = (
    *(
        OperationRecord(
            name=f"torch.{name}",
            family=Family.REDUCTION,
            propagate=reduction,
            on_constants=GIVEN_BACK if name in {"mean", "amax", "amin"} else NOT_FOLDED,
            is_homogeneous=name in {"mean", "sum"},
        )
        for name in _REDUCTIONS
    ),
    *(
        OperationRecord(name=name, recorded_as=RecordedAs.EXTREME, is_permitted=False)
        for name in ("torch.max", "torch.min")
    ),
    *(
        OperationRecord(name=name, propagate=all_channels, keeps_shape=True)
        for name in ("Softmax", "Softmax2d", "LogSoftmax", "Softmin")
    ),
    *(
        OperationRecord(name=name, propagate=_SOFTMAX, keeps_shape=True)
        for name in (f"{_F}softmax", f"{_F}log_softmax", f"{_F}softmin", "torch.softmax", "torch.log_softmax")
    ),
    OperationRecord(name=f"{_F}normalize", propagate=mixing_along("dim", 2, 1), keeps_shape=True),
    OperationRecord(name="torch.cumsum", keeps_shape=True),
    *ungated(f"torch.{name}" for name in _UNGATED.split()),
    *ungated(f"torch.fft.{name}" for name in _UNGATED_FFT.split()),
)
