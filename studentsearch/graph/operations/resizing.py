"""Padding and interpolation: each channel on its own, positions mixed or added."""

from __future__ import annotations

from studentsearch.graph.operations.constants import GIVEN_BACK, NOT_FOLDED
from studentsearch.graph.operations.operation_record import Family, OperationRecord, ungated
from studentsearch.graph.operations.propagation import positional

_F = "torch.nn.functional."
_RESIZING = ("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d", f"{_F}interpolate", f"{_F}upsample")
_SCALED = frozenset({"Upsample", f"{_F}interpolate"})

RECORDS = (
    *(
        OperationRecord(
            name=f"{kind}Pad{n}d", family=Family.PADDING, propagate=positional, is_homogeneous=kind != "Constant"
        )
        for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular")
        for n in (1, 2, 3)
    ),
    OperationRecord(name=f"{_F}pad", family=Family.PADDING, propagate=positional),
    *(
        OperationRecord(
            name=name,
            family=Family.RESIZING,
            propagate=positional,
            on_constants=GIVEN_BACK if name in _SCALED else NOT_FOLDED,
            is_homogeneous=name in _SCALED,
        )
        for name in _RESIZING
    ),
    *ungated(f"{_F}{name}" for name in ("affine_grid", "grid_sample", "upsample_bilinear", "upsample_nearest")),
    *ungated(("Fold", "Unfold", f"{_F}fold", f"{_F}unfold", "Tensor.unfold")),
)
