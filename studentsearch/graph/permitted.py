"""What a student may be made of: operations with a rule, movements, and a closed list of pure tensor functions.

A student's config.json names functions and layers of torch, and torch has functions that read files, load code or
change tensors in place. Hence a name counts only if it stands in one of these tables.
"""

from __future__ import annotations

from collections.abc import Callable

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import resolve
from studentsearch.graph.network import Operation
from studentsearch.graph.recording.describe import layer_class
from studentsearch.graph.recording.movement import MOVEMENTS, PIECES
from studentsearch.graph.rules import RULES

_WITHOUT_LAYER = frozenset({"Input", "Parameter", "Concat", "Add", "Output"})
_MOVING_LAYERS = frozenset({"Flatten", "Unflatten", "ChannelShuffle", "PixelShuffle", "PixelUnshuffle"})
_WHOLE_LAYERS = frozenset({
    *("Bilinear", "CosineSimilarity", "CrossMapLRN2d", "Fold", "LPPool3d", "PairwiseDistance", "Unfold"),
})
_TORCH = (
    *("absolute", "addbmm", "addmm", "addmv", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2"),
    *("arctanh", "argmax", "argmin", "argsort", "atleast_1d", "atleast_2d", "atleast_3d", "baddbmm", "bitwise_and"),
    *(
        "bitwise_not",
        "bitwise_or",
        "bitwise_xor",
        "block_diag",
        "broadcast_to",
        "cat",
        "cdist",
        "clone",
        "column_stack",
    ),
    *(
        "complex",
        "conj",
        "conj_physical",
        "copysign",
        "cosine_similarity",
        "count_nonzero",
        "cross",
        "cummax",
        "cummin",
    ),
    *("cumprod", "cumsum", "deg2rad", "diag_embed", "diagonal", "diff", "digamma", "dist", "dot", "dstack", "erfc"),
    *("erfinv", "eye", "fix", "float_power", "floor_divide", "full", "fmax", "fmin", "greater", "greater_equal"),
    *("heaviside", "hstack", "i0", "imag", "inner", "instance_norm", "isclose", "isfinite", "isneginf", "isposinf"),
    *("kron", "ldexp", "less", "less_equal", "lgamma", "linspace", "logaddexp", "logaddexp2", "logcumsumexp"),
    *("logical_xor", "mv", "nanmean", "nanmedian", "nanquantile", "nansum", "negative", "nextafter"),
    *("not_equal", "ones", "outer", "pairwise_distance", "polar", "positive", "quantile", "rad2deg", "ravel", "real"),
    *("renorm", "resolve_conj", "rms_norm", "row_stack", "sgn", "signbit", "std_mean", "sum", "t"),
    *("tensordot", "trapezoid", "tril", "triu", "unsqueeze", "var_mean", "vdot", "view_as_complex", "view_as_real"),
    *("vstack", "xlogy", "zeros", "arange", "median", "mode", "sort", "topk", "kthvalue", "all", "any", "erf"),
    *("avg_pool1d", "adaptive_avg_pool1d", "max_pool1d", "max_pool2d", "max_pool3d", "prelu", "layer_norm"),
)
_FUNCTIONAL = (
    *("affine_grid", "bilinear", "cosine_similarity", "fold", "grid_sample", "lp_pool3d", "pairwise_distance"),
    *("unfold", "upsample_bilinear", "upsample_nearest", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle"),
)
_SPECIAL = (
    *("entr", "erfcx", "expit", "exp2", "expm1", "erf", "erfc", "erfinv", "gammainc", "gammaincc", "gammaln", "i0"),
    *("i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "ndtr", "ndtri"),
    *("polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy", "zeta"),
)
_FFT = (
    *("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn"),
    *("irfftn", "fftshift", "ifftshift"),
)
_LINALG = ("cross", "det", "diagonal", "matmul", "matrix_norm", "matrix_power", "multi_dot", "norm", "vecdot")
_METHODS = (
    *("bool", "int", "long", "sum_to_size", "unfold", "contiguous", "expand", "expand_as", "repeat", "view_as"),
    *("new_full", "new_ones", "new_zeros"),
    *("__and__", "__floordiv__", "__invert__", "__mod__", "__or__", "__radd__", "__rdiv__", "__rfloordiv__"),
    *("__rmatmul__", "__rmod__", "__rmul__", "__rpow__", "__rsub__", "__rtruediv__", "__xor__", "__pow__", "__neg__"),
)
WHOLE_FUNCTIONS = frozenset({
    "operator.getitem",
    *(f"torch.{name}" for name in _TORCH),
    *(f"torch.nn.functional.{name}" for name in _FUNCTIONAL),
    *(f"torch.special.{name}" for name in _SPECIAL),
    *(f"torch.fft.{name}" for name in _FFT),
    *(f"torch.linalg.{name}" for name in _LINALG),
    *(f"Tensor.{name}" for name in _METHODS),
})
"""Functions that need no rule where a network is left whole: each reads tensors and numbers and gives new tensors."""


def is_permitted(operation: Operation) -> bool:
    """Whether a student may have an operation.

    Args:
        operation: What a step computes.

    Returns:
        True for what has a rule (also one that `use_rule` taught this process), movements and `WHOLE_FUNCTIONS`.
    """
    if operation.kind == "Call":
        name = operation.name
        return "." in name and (name in RULES or name in MOVEMENTS or name in PIECES or name in WHOLE_FUNCTIONS)
    if operation.kind in _WITHOUT_LAYER:
        return True
    is_known = operation.kind in RULES or operation.kind in _MOVING_LAYERS | _WHOLE_LAYERS
    return is_known and layer_class(operation.kind) is not None


def require_permitted(operation: Operation) -> None:
    """Refuse what a student could not be loaded with.

    Args:
        operation: What a step computes.

    Raises:
        UnsupportedGraphError: It stands in no table; teach a rule.
    """
    if not is_permitted(operation):
        raise UnsupportedGraphError(
            f"the operation {operation.name!s:.100} has no rule and is none that a student may keep whole; "
            "teach a rule (studentsearch.graph.rules.use_rule), or write it with operations of docs/graph_rules.md"
        )


def function_of(operation: Operation) -> Callable[..., object]:
    """The function that a `Call` names.

    Args:
        operation: A call.

    Returns:
        A function of torch; a method takes its tensor first.
    """
    require_permitted(operation)
    return resolve(operation.name)
