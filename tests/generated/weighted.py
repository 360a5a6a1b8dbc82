"""Layers with weights, pooling, norms and what else treats one axis as that of channels."""

from __future__ import annotations

from .draft import Draft, MisfitError, Value
from .pointwise import Maker

_F = "torch.nn.functional."
_COUNTS = (4, 3, 2, 6, 1)


def width(draft: Draft, x: Value) -> int:
    """A number of channels, often one that is a size of the tensor as well."""
    return draft.pick((*_COUNTS, *x.shape, *x.shape))


def _spatial(x: Value, axes: int) -> tuple[int, ...]:
    if x.rank != axes + 1:
        raise MisfitError
    return x.shape[1:]


def _groups(draft: Draft, inputs: int, outputs: int) -> int:
    divisors = [number for number in range(1, inputs + 1) if inputs % number == 0 == outputs % number]
    return draft.pick((1, 1, 1, *divisors))


def convolution(axes: int, *, is_transposed: bool, spelling: str = "layer") -> Maker:
    """A convolution as a layer, or as a call with parameters of the network."""

    def make(draft: Draft, x: Value) -> None:
        inputs, sizes = x.shape[0], _spatial(x, axes)
        draft.axis = 0
        outputs = draft.pick((width(draft, x), inputs))
        groups = _groups(draft, inputs, outputs)
        kernel = draft.pick((3, 1, 2) if axes < 3 else (1, 3, 2))
        stride = draft.pick((1, 1, 2))
        padding = draft.pick((kernel // 2, 0))
        dilation = draft.pick((1, 1, 2)) if kernel > 1 and min(sizes) > 3 else 1
        rest = f"stride={stride}, padding={padding}, dilation={dilation}, groups={groups}"
        if is_transposed and stride > 1 and draft.chance():
            rest += ", output_padding=1"
        if spelling == "layer":
            kind = f"nn.{'ConvTranspose' if is_transposed else 'Conv'}{axes}d"
            text = f"{kind}({inputs}, {outputs}, {kernel}, {rest}, bias={draft.pick((True, False))})"
            if draft.chance(12):
                text = f"parametrizations.weight_norm({text})"
            draft.apply(text, x)
            return
        first, second = (inputs, outputs) if is_transposed else (outputs, inputs)
        weight = draft.parameter((first, second // groups, *(kernel for _ in range(axes))))
        bias = draft.pick(("None", "parameter"))
        bias = draft.parameter((outputs,), may_share=False) if bias == "parameter" else bias
        draft.emit(f"{spelling}({x}, {weight}, {bias}, {rest})")

    return make


def _linear(draft: Draft, x: Value) -> None:
    draft.axis = x.rank - 1
    text = f"nn.Linear({x.shape[-1]}, {width(draft, x)}, bias={draft.pick((True, False))})"
    draft.apply(text, x)


def _linear_call(draft: Draft, x: Value) -> None:
    draft.axis = x.rank - 1
    outputs = width(draft, x)
    weight = draft.parameter((outputs, x.shape[-1]))
    bias = draft.parameter((outputs,), may_share=False) if draft.chance() else "None"
    draft.emit(f"F.linear({x}, {weight}, {bias})")


def _batch_norm(kind: str, axes: int) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        if not (axes == 1 and kind == "BatchNorm" and x.rank == 1):
            _spatial(x, axes)
        options = draft.pick(((), ("affine=False",), ("track_running_stats=False",), ("track_running_stats=True",)))
        draft.apply(f"nn.{kind}{axes}d({', '.join([str(x.shape[0]), *options])})", x)

    return make


def _prelu(draft: Draft, x: Value) -> None:
    draft.apply(f"nn.PReLU({draft.pick((1, x.shape[0]))})", x)


def _prelu_call(spelling: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        draft.emit(f"{spelling}({x}, {draft.parameter((draft.pick((1, x.shape[0])),))})")

    return make


def _group_norm(draft: Draft, x: Value) -> None:
    groups = draft.pick([number for number in range(x.shape[0], 0, -1) if x.shape[0] % number == 0])
    draft.apply(f"nn.GroupNorm({groups}, {x.shape[0]}, affine={draft.pick((True, False))})", x)


def _last_axes_norm(kind: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        shape = x.shape[draft.pick(range(x.rank)) :]
        affine = draft.pick((True, False))
        draft.apply(f"nn.{kind}({shape}, elementwise_affine={affine})", x)

    return make


def _norm_call(name: str, home: str) -> Maker:
    """A norm as a function, with or without parameters; those of torch want all of their arguments."""

    def make(draft: Draft, x: Value) -> None:
        over = x.shape[draft.pick(range(x.rank)) :] if name in {"layer_norm", "rms_norm"} else x.shape[:1]
        weight = draft.parameter(over) if draft.chance() else "None"
        bias = draft.parameter(over, may_share=False) if draft.chance() else "None"
        is_functional = home == "F"
        match name:
            case "batch_norm":
                statistics = _statistics(draft, x.shape[0])
                given = f"{statistics}, {weight}, {bias}" if is_functional else f"{weight}, {bias}, {statistics}"
                draft.emit(f"{home}.batch_norm({x}, {given}{'' if is_functional else ', False, 0.1, 1e-5, False'})")
            case "instance_norm" if is_functional:
                draft.emit(f"F.instance_norm({x}, weight={weight}, bias={bias})")
            case "instance_norm":
                draft.emit(f"torch.instance_norm({x}, {weight}, {bias}, None, None, True, 0.1, 1e-5, False)")
            case "group_norm":
                groups = draft.pick([number for number in range(x.shape[0], 0, -1) if x.shape[0] % number == 0])
                draft.emit(f"{home}.group_norm({x}, {groups}, {weight}, {bias})")
            case "rms_norm":
                draft.emit(f"{home}.rms_norm({x}, {over}, {weight})")
            case _:
                draft.emit(f"{home}.layer_norm({x}, {over}, {weight}, {bias})")

    return make


def _statistics(draft: Draft, size: int) -> str:
    """Buffers for a mean and a variance."""
    number = draft.num_setups
    for role, start in (("running_mean", "zeros"), ("running_var", "ones")):
        draft.setup(f'self.register_buffer("own{number}_{role}", torch.{start}({size}, dtype=torch.float64))')
    return f"self.own{number}_running_mean, self.own{number}_running_var"


def _pool(kind: str, axes: int) -> Maker:
    """A pooling as a layer or as the function of the same name."""

    def make(draft: Draft, x: Value) -> None:
        sizes = _spatial(x, axes)
        name = "".join(f"_{part}" if part.isupper() else part for part in kind).lower().removeprefix("_")
        name = "lp" if kind == "LP" else name
        if kind.startswith("Adaptive"):
            size = draft.pick((1, 2, sizes[0]))
            given = [str(size)]
            if axes > 1 and draft.chance(4):
                given = [str((*(size for _ in range(axes - 1)), draft.pick((1, 3))))]
        else:
            kernel = draft.pick((2, 3))
            given = [f"{kernel}", f"stride={draft.pick((2, 1, 3))}"]
            if kind != "LP":
                given.append(f"padding={draft.pick((0, kernel // 2))}")
            given.append(f"ceil_mode={draft.pick((False, True))}")
            if kind == "Max":
                given.append(f"dilation={draft.pick((1, 2))}")
            if kind == "Avg":
                given.append(f"count_include_pad={draft.pick((True, False))}")
        if kind == "LP":
            given.insert(0, "2")
        source = f"{x}.abs()" if kind == "LP" else str(x)
        if draft.chance():
            draft.emit(f"F.{name}_pool{axes}d({', '.join([source, *given])})")
        else:
            draft.apply(f"nn.{kind}Pool{axes}d({', '.join(given)})", source)

    return make


def _pad(kind: str, axes: int) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        _spatial(x, axes)
        amounts = tuple(draft.pick((1, 0)) for _ in range(2 * axes))
        value = ", 0.7" if kind == "Constant" else ""
        draft.apply(f"nn.{kind}Pad{axes}d({amounts}{value})", x)

    return make


def _pad_call(draft: Draft, x: Value) -> None:
    """Positions or channels of zeros, or positions of another number."""
    axes = draft.pick(range(1, x.rank + 1))
    amounts = tuple(draft.pick((1, 0, 2)) for _ in range(2 * axes))
    if draft.chance(4) and axes == x.rank - 1:
        draft.emit(f'F.pad({x}, {amounts}, mode="{draft.pick(("reflect", "replicate", "circular"))}")')
        return
    draft.emit(f"F.pad({x}, {amounts}, value={draft.pick((0.0, 0.0, 0.7))})")


def _upsample(kind: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        if x.rank < 2 or (kind != "Upsample" and x.rank != 3):
            raise MisfitError
        draft.apply(f"nn.{kind}(scale_factor=2)", x)

    return make


def _interpolate(name: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        if x.rank < 2:
            raise MisfitError
        others = [value for value in draft.values if value.rank == x.rank]
        sizes = draft.pick(("scale_factor=2", "scale_factor=0.5", f"size={draft.pick(others)}.shape[2:]"))
        mode = draft.pick(("nearest", {2: "linear", 3: "bilinear", 4: "trilinear"}[x.rank], "area"))
        draft.emit(f'F.{name}({x}, {sizes}, mode="{mode}")')

    return make


def _reduction(name: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        count = draft.pick(range(1, x.rank + 1))
        first = draft.pick(range(1, x.rank - count + 2))
        axes = tuple(range(first, first + count))
        if draft.chance(4):
            axes = tuple(axis - x.rank - 1 for axis in axes)
        dim = axes[0] if len(axes) == 1 or name == "prod" else axes
        keepdim = draft.pick((True, False))
        if name in {"amax", "amin"} and draft.chance(4) and isinstance(dim, int):
            spelled = draft.pick((
                f"{x}.{name[1:]}({dim}, keepdim={keepdim}).values",
                f"torch.{name[1:]}({x}, {dim})[0]",
            ))
            draft.emit(spelled)
        elif name == "linalg.vector_norm":
            draft.emit(f"torch.linalg.vector_norm({x}, dim={dim}, keepdim={keepdim})")
        elif name == "norm":
            draft.emit(f"{x}.norm(p=2, dim={dim}, keepdim={keepdim})")
        else:
            draft.emit(draft.pick((f"{x}.{name}({dim}, keepdim={keepdim})", f"torch.{name}({x}, dim={dim})")))

    return make


def _along(spelling: str) -> Maker:
    """A call that mixes entries along one axis."""

    def make(draft: Draft, x: Value) -> None:
        axis = draft.pick((*range(1, x.rank + 1), -1))
        draft.emit(f"{spelling}({x}, dim={axis})")

    return make


def _along_layer(kind: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        axis = "" if kind == "Softmax2d" else draft.pick((*range(1, x.rank + 1), -1))
        draft.apply(f"nn.{kind}({axis})", x)

    return make


def _glu(draft: Draft, x: Value, *, is_layer: bool) -> None:
    axis = draft.pick([place + 1 for place, size in enumerate(x.shape) if size % 2 == 0])
    if is_layer:
        draft.apply(f"nn.GLU({axis})", x)
    else:
        draft.emit(f"F.glu({x}, {axis})")


def _attention(draft: Draft, x: Value) -> None:
    if x.rank != 2:
        raise MisfitError
    features = x.shape[-1]
    heads = draft.pick([number for number in (1, 2, 3, 4) if features % number == 0])
    layer = draft.layer(f"nn.MultiheadAttention({features}, {heads}, batch_first=True)")
    draft.emit(f"{layer}({x}, {x}, {x}, need_weights=False)[0]")


def _matmul(draft: Draft, x: Value) -> None:
    if x.rank < 2:
        raise MisfitError
    others = [value for value in reversed(draft.values) if value.rank == x.rank]
    y = draft.pick(others)
    draft.emit(f"({x} @ {y}.transpose(-2, -1)) / {x.shape[-1]}")


def _bmm(draft: Draft, x: Value) -> None:
    if x.rank != 2:
        raise MisfitError
    y = draft.pick([value for value in reversed(draft.values) if value.rank == 2])
    draft.emit(f"torch.bmm({x}, {y}.transpose(1, 2)) / {x.shape[-1]}")


def _dot_product_attention(draft: Draft, x: Value) -> None:
    if x.rank not in {2, 3}:
        raise MisfitError
    y = draft.pick([value for value in reversed(draft.values) if value.rank == x.rank])
    draft.emit(f"F.scaled_dot_product_attention({x}, {y}, {y})")


def _einsum(draft: Draft, x: Value) -> None:
    if x.rank not in {2, 3}:
        raise MisfitError
    axes = "chw"[: x.rank]
    weight = draft.parameter((width(draft, x), x.shape[0]))
    draft.emit(f'torch.einsum("oc,b{axes}->bo{axes[1:]}", {weight}, {x})')


def _response_norm(draft: Draft, x: Value, *, is_layer: bool) -> None:
    if x.rank < 2:
        raise MisfitError
    if is_layer:
        draft.apply("nn.LocalResponseNorm(3)", x)
    else:
        draft.emit(f"F.local_response_norm({x}, 2)")


def reader(draft: Draft, x: Value) -> None:
    """A reader of the axis that channels lie on."""
    linear = ("Linear", "Linear", f"{_F}linear")
    convolutions: tuple[str, ...] = ()
    if x.rank > 1:
        last = f"Conv{x.rank - 1}d"
        call = f"conv{x.rank - 1}d"
        transposed = (last.replace("Conv", "ConvTranspose"), f"{_F}{call.replace('conv', 'conv_transpose')}")
        convolutions = (last, last, last, f"{_F}{call}", *transposed)
    READERS[draft.pick(convolutions if convolutions and x.axis == 0 else linear)](draft, x)


READERS: dict[str, Maker] = {
    **{f"Conv{n}d": convolution(n, is_transposed=False) for n in (2, 1, 3)},
    "Linear": _linear,
    **{f"ConvTranspose{n}d": convolution(n, is_transposed=True) for n in (2, 1, 3)},
    **{
        f"{home}conv{n}d": convolution(n, is_transposed=False, spelling=f"{short}.conv{n}d")
        for n in (2, 1, 3)
        for home, short in ((_F, "F"), ("torch.", "torch"))
    },
    f"{_F}linear": _linear_call,
    **{
        f"{home}conv_transpose{n}d": convolution(n, is_transposed=True, spelling=f"{short}.conv_transpose{n}d")
        for n in (2, 1, 3)
        for home, short in ((_F, "F"), ("torch.", "torch"))
    },
}
NORMS: dict[str, Maker] = {
    **{f"{kind}Norm{n}d": _batch_norm(f"{kind}Norm", n) for kind in ("Batch", "Instance") for n in (2, 1, 3)},
    "GroupNorm": _group_norm,
    **{kind: _last_axes_norm(kind) for kind in ("LayerNorm", "RMSNorm")},
    "PReLU": _prelu,
    **{f"{home}prelu": _prelu_call(f"{short}.prelu") for home, short in ((_F, "F"), ("torch.", "torch"))},
    **{
        f"{home}{name}_norm": _norm_call(f"{name}_norm", short)
        for name in ("batch", "instance", "layer", "rms", "group")
        for home, short in ((_F, "F"), ("torch.", "torch"))
    },
    "LocalResponseNorm": lambda draft, x: _response_norm(draft, x, is_layer=True),
    f"{_F}local_response_norm": lambda draft, x: _response_norm(draft, x, is_layer=False),
    f"{_F}normalize": _along("F.normalize"),
    **{kind: _along_layer(kind) for kind in ("Softmax", "LogSoftmax", "Softmin", "Softmax2d")},
    **{f"{_F}{name}": _along(f"F.{name}") for name in ("softmax", "log_softmax", "softmin")},
    **{f"torch.{name}": _along(f"torch.{name}") for name in ("softmax", "log_softmax")},
    "GLU": lambda draft, x: _glu(draft, x, is_layer=True),
    f"{_F}glu": lambda draft, x: _glu(draft, x, is_layer=False),
}
POSITIONS: dict[str, Maker] = {
    **{
        f"{kind}Pool{n}d": _pool(kind, n)
        for kind in ("Max", "Avg", "LP", "AdaptiveAvg", "AdaptiveMax")
        for n in (2, 1, 3)
        if (kind, n) != ("LP", 3)
    },
    **{
        f"{kind}Pad{n}d": _pad(kind, n)
        for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular")
        for n in (2, 1, 3)
    },
    **{kind: _upsample(kind) for kind in ("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d")},
    f"{_F}interpolate": _interpolate("interpolate"),
    f"{_F}upsample": _interpolate("upsample"),
    f"{_F}pad": _pad_call,
    **{
        f"torch.{name}": _reduction(name)
        for name in ("mean", "sum", "amax", "amin", "var", "std", "prod", "logsumexp", "norm", "linalg.vector_norm")
    },
}
PRODUCTS: dict[str, Maker] = {
    "MultiheadAttention": _attention,
    "torch.matmul": _matmul,
    "torch.bmm": _bmm,
    f"{_F}scaled_dot_product_attention": _dot_product_attention,
    "torch.einsum": _einsum,
}
