"""Operations on entries: activations, arithmetic, comparisons, dropout, changes of type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from studentsearch.graph.dependencies import all_of, same
from studentsearch.graph.operations.constants import GIVEN_BACK
from studentsearch.graph.operations.operation_record import (
    Family,
    OperationRecord,
    RecordedAs,
    elementwise_operation,
    ungated,
)
from studentsearch.graph.operations.propagation import Applied, Propagation, elementwise

_F = "torch.nn.functional."
_LAYERS = """
    ReLU6 ELU CELU SELU GELU SiLU Mish Hardswish Hardsigmoid Hardtanh RReLU Hardshrink Softshrink Tanhshrink Softplus
    Softsign Sigmoid LogSigmoid Tanh Threshold
"""
_HOMOGENEOUS_LAYERS = "ReLU LeakyReLU"
_ACTIVATIONS = """
    relu6 elu celu selu gelu silu mish hardswish hardsigmoid hardtanh rrelu hardshrink softshrink tanhshrink softplus
    softsign sigmoid logsigmoid tanh threshold
"""
_ARITHMETIC = """
    add sub mul div pow neg abs exp expm1 log log1p sqrt rsqrt square sin cos erf clamp clip clamp_min clamp_max maximum
    minimum where masked_fill zeros_like ones_like full_like selu celu rrelu threshold hardshrink nan_to_num logit sinc
    atan2 hypot exp2 log2 log10 tan asin acos atan sinh cosh asinh acosh atanh ceil trunc frac remainder fmod sign round
    floor sigmoid tanh reciprocal lerp addcmul true_divide multiply subtract divide rsub
"""
_COMPARISONS = """
    gt lt ge le eq ne isnan isinf logical_and logical_or logical_not bitwise_and bitwise_or bitwise_not
"""
_DROPOUTS = "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout StochasticDepth"
_CASTS = """
    Tensor.contiguous Tensor.float Tensor.half Tensor.double Tensor.bfloat16 Tensor.bool Tensor.int Tensor.long
    Tensor.type Tensor.cpu Tensor.requires_grad_ torch.clone torch.detach
"""
_PERMITTED_CASTS = frozenset({"Tensor.contiguous", "Tensor.bool", "Tensor.int", "Tensor.long", "torch.clone"})
_UNGATED = """
    absolute angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_xor complex conj conj_physical copysign
    deg2rad digamma erfc erfinv fix float_power floor_divide fmax fmin greater greater_equal heaviside i0 imag isclose
    isfinite isneginf isposinf ldexp less less_equal lgamma logaddexp logaddexp2 logical_xor negative nextafter
    not_equal polar positive rad2deg real resolve_conj sgn signbit view_as_complex view_as_real xlogy
"""
_UNGATED_SPECIAL = """
    entr erfcx expit exp2 expm1 erf erfc erfinv gammainc gammaincc gammaln i0 i0e i1 i1e log1p log_ndtr log_softmax
    logit logsumexp ndtr ndtri polygamma psi round sinc softmax xlog1py xlogy zeta
"""
_UNGATED_METHODS = """
    __and__ __floordiv__ __invert__ __mod__ __or__ __radd__ __rdiv__ __rfloordiv__ __rmod__ __rmul__ __rpow__ __rsub__
    __rtruediv__ __xor__ __pow__ __neg__
"""


def typed(applied: Applied) -> Propagation:
    """Output i takes entry i; of the second tensor it takes the type alone."""
    source, like = applied.sources
    is_alike = (like.shape, like.axis) == (source.shape, source.axis)
    dependency = same(like.num_channels) if is_alike else all_of(like.num_channels, source.num_channels)
    return Propagation(axis=source.axis, dependencies=(same(source.num_channels), dependency))


def _named(prefix: str, names: str, family: Family, *, is_homogeneous: bool = False) -> Iterable[OperationRecord]:
    return (elementwise_operation(f"{prefix}{name}", family, is_homogeneous=is_homogeneous) for name in names.split())


RECORDS = (
    *_named("", _LAYERS, Family.ACTIVATION),
    *_named("", _HOMOGENEOUS_LAYERS, Family.ACTIVATION, is_homogeneous=True),
    *_named(_F, _ACTIVATIONS, Family.ACTIVATION),
    *_named(_F, "relu leaky_relu", Family.ACTIVATION, is_homogeneous=True),
    *_named("torch.", _ARITHMETIC, Family.ARITHMETIC),
    *_named("torch.", "relu", Family.ARITHMETIC, is_homogeneous=True),
    *_named("torch.", _COMPARISONS, Family.COMPARISON),
    *(
        OperationRecord(
            name=name,
            family=Family.DROPOUT,
            propagate=elementwise,
            on_constants=GIVEN_BACK,
            is_homogeneous=True,
        )
        for name in _DROPOUTS.split()
    ),
    # To masks and integers; of numbers to numbers it is the input.
    replace(elementwise_operation("Tensor.to", Family.COMPARISON), recorded_as=RecordedAs.ITS_INPUT),
    OperationRecord(name="Tensor.type_as", propagate=typed, keeps_shape=True, recorded_as=RecordedAs.ITS_INPUT),
    # Of the second tensor it takes the size alone, which has these channels as well.
    elementwise_operation("Tensor.expand_as"),
    *(
        OperationRecord(name=name, recorded_as=RecordedAs.ITS_INPUT, is_permitted=name in _PERMITTED_CASTS)
        for name in _CASTS.split()
    ),
    *ungated(f"torch.{name}" for name in _UNGATED.split()),
    *ungated(f"torch.special.{name}" for name in _UNGATED_SPECIAL.split()),
    *ungated(f"Tensor.{name}" for name in _UNGATED_METHODS.split()),
)
