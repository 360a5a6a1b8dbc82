"""What moves entries without computing, and what joins tensors side by side."""

from __future__ import annotations

import math
from itertools import permutations

from .draft import Draft, MisfitError, Value
from .pointwise import Maker


def _axis(draft: Draft, x: Value, *, is_new: bool = False) -> int:
    """An axis that is not the batch's, also counted from the end."""
    rank = x.rank + is_new
    axis = draft.pick(range(1, rank + 1))
    return axis - rank - 1 if draft.chance(4) else axis


def _size(x: Value, axis: int) -> int:
    return x.shape[axis - 1 if axis > 0 else axis]


def _splits(size: int) -> list[tuple[int, int]]:
    return [(first, size // first) for first in range(2, size + 1) if size % first == 0] or [(1, size)]


def _reshaped(draft: Draft, x: Value, spelling: str) -> None:
    """One axis split, neighbours joined, all joined, or sizes dealt out anew."""
    shape = list(x.shape)
    match draft.pick(("join", "split", "flat", "swap")):
        case "join" if x.rank > 1:
            first = draft.pick(range(x.rank - 1))
            shape[first : first + 2] = [shape[first] * shape[first + 1]]
        case "split":
            place = draft.pick(range(x.rank))
            shape[place : place + 1] = draft.pick(_splits(shape[place]))
        case "flat":
            shape = [math.prod(shape)]
        case _:
            shape = shape[::-1]
    sizes = [str(size) for size in shape]
    if draft.chance(3):
        sizes[draft.pick(range(len(sizes)))] = "-1"
    batch = draft.pick((f"{x}.shape[0]", f"{x}.size(0)", f"len({x})" if draft.chance(6) else f"{x}.shape[0]"))
    draft.emit(f"{x}.{spelling}({batch}, {', '.join(sizes)})")


def _like(spelling: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        size = math.prod(x.shape)
        others = [value for value in reversed(draft.values) if math.prod(value.shape) == size and value.name != x.name]
        draft.emit(f"{x}.{spelling}({draft.pick(others)})")

    return make


def _flatten(draft: Draft, x: Value) -> None:
    first = draft.pick(range(1, x.rank + 1))
    last = draft.pick((-1, *range(first, x.rank + 1)))
    draft.emit(draft.pick((f"{x}.flatten({first}, {last})", f"torch.flatten({x}, {first}, {last})")))


def _flatten_layer(draft: Draft, x: Value) -> None:
    draft.apply(f"nn.Flatten({draft.pick(range(1, x.rank + 1))})", x)


def _unflatten(draft: Draft, x: Value) -> None:
    axis = _axis(draft, x)
    sizes = draft.pick(_splits(_size(x, axis)))
    draft.emit(f"{x}.unflatten({axis}, {sizes})")


def _unflatten_layer(draft: Draft, x: Value) -> None:
    axis = _axis(draft, x)
    sizes = draft.pick(_splits(_size(x, axis)))
    draft.apply(f"nn.Unflatten({axis}, {sizes})", x)


def _permute(draft: Draft, x: Value) -> None:
    axes = draft.pick(list(permutations(range(1, x.rank + 1)))[::-1])
    draft.axis = axes.index(x.axis + 1)
    draft.emit(draft.pick((f"{x}.permute(0, {', '.join(map(str, axes))})", f"torch.permute({x}, {(0, *axes)})")))


def _transpose(name: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        one, other = draft.pick([(i, j) for j in range(x.rank, 0, -1) for i in range(1, j)])
        draft.axis = {one - 1: other - 1, other - 1: one - 1}.get(x.axis, x.axis)
        spelled = [f"{x}.{name}({one}, {other})", f"torch.{name}({x}, {one}, {other})"]
        if name == "transpose" and other == x.rank and one == x.rank - 1:
            spelled += [f"{x}.mT", f"{x}.transpose(-2, -1)"]
        draft.emit(draft.pick(spelled))

    return make


def _t(draft: Draft, x: Value) -> None:
    """Only a matrix has one, and it puts the batch last, so there and back."""
    if x.rank != 1:
        raise MisfitError
    draft.emit(f"{x}.t().t()")


def _squeeze(draft: Draft, x: Value) -> None:
    ones = [place + 1 for place, size in enumerate(x.shape) if size == 1]
    spelled = [f"{x}.squeeze({axis})" for axis in ones] + [f"{x}.squeeze({axis - x.rank - 1})" for axis in ones]
    if ones:
        spelled.append(f"{x}.squeeze()")
    draft.emit(draft.pick(spelled))


def _unsqueeze(draft: Draft, x: Value) -> None:
    draft.emit(f"{x}.unsqueeze({_axis(draft, x, is_new=True)})")


def _pixels(name: str, is_layer: bool) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        if x.rank < 3:
            raise MisfitError
        kind = "PixelShuffle" if name == "pixel_shuffle" else "PixelUnshuffle"
        if is_layer:
            draft.apply(f"nn.{kind}(2)", x)
        else:
            draft.emit(f"F.{name}({x}, 2)")

    return make


def _shuffle(draft: Draft, x: Value, *, is_layer: bool) -> None:
    groups = draft.pick([number for number in range(2, x.shape[0] + 1) if x.shape[0] % number == 0])
    if is_layer:
        draft.apply(f"nn.ChannelShuffle({groups})", x)
    else:
        draft.emit(f"F.channel_shuffle({x}, {groups})")


def _index(draft: Draft, x: Value) -> None:
    """Slices, lists, None, numbers, and an ellipsis."""
    axis = draft.pick(range(x.rank))
    size = x.shape[axis]
    part = draft.pick((
        f":{max(size // 2, 1)}",
        "::2",
        f"{size // 3}:",
        ":-1",
        "0",
        "-1",
        str([size - 1, 0]),
        "None",
        f"{size // 2}:{size // 2 + 1}",
    ))
    before = "".join(":, " for _ in range(axis))
    written = f"{x}[:, {before}{part}]"
    if axis == x.rank - 1 and draft.chance(3):
        written = f"{x}[..., {part}]"
    draft.emit(written)


def _narrow(draft: Draft, x: Value) -> None:
    axis = _axis(draft, x)
    start = draft.pick(range(_size(x, axis)))
    draft.emit(f"{x}.narrow({axis}, {start}, {draft.pick(range(1, _size(x, axis) - start + 1))})")


def _select(draft: Draft, x: Value) -> None:
    axis = _axis(draft, x)
    draft.emit(f"{x}.select({axis}, {draft.pick(range(_size(x, axis)))})")


def _flip(draft: Draft, x: Value) -> None:
    axes = draft.pick(((1,), (x.rank,), tuple(range(1, x.rank + 1))))
    draft.emit(draft.pick((f"torch.flip({x}, {axes})", f"{x}.flip({', '.join(map(str, axes))})")))


def _roll(draft: Draft, x: Value) -> None:
    draft.emit(f"torch.roll({x}, {draft.pick((1, -1, 2))}, {_axis(draft, x)})")


def _expand(draft: Draft, x: Value) -> None:
    sizes = [str(size) if size > 1 else str(draft.pick((2, 3, 1, 4))) for size in x.shape]
    if draft.chance():
        sizes = [("-1" if own > 1 else new) for own, new in zip(x.shape, sizes, strict=True)]
    draft.emit(f"{x}.expand({draft.pick(('-1', f'{x}.shape[0]'))}, {', '.join(sizes)})")


def _broadcast(draft: Draft, x: Value) -> None:
    sizes = tuple(size if size > 1 else draft.pick((2, 3, 1, 4)) for size in x.shape)
    draft.emit(f"torch.broadcast_to({x}, ({x}.shape[0], {', '.join(map(str, sizes))}))")


def _repeat(spelling: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        times = tuple(draft.pick((1, 2)) for _ in x.shape)
        draft.emit(f"{spelling.format(x=x)}{(1, *times)})")

    return make


def _repeat_interleave(draft: Draft, x: Value) -> None:
    draft.emit(f"{x}.repeat_interleave(2, dim={_axis(draft, x)})")


def _rot90(draft: Draft, x: Value) -> None:
    if x.rank < 2:
        raise MisfitError
    one, other = draft.pick([(i, j) for j in range(x.rank, 0, -1) for i in range(1, j)])
    draft.emit(f"torch.rot90({x}, {draft.pick((1, 2))}, ({one}, {other}))")


def _turned(name: str, rank: int) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        if x.rank < rank:
            raise MisfitError
        if name == "flipud":  # turns the batch around, so it is done twice
            draft.emit(f"torch.flipud(torch.flipud({x}))")
        else:
            draft.emit(f"torch.{name}({x})")

    return make


def _index_select(draft: Draft, x: Value) -> None:
    axis = _axis(draft, x)
    size = _size(x, axis)
    picked = draft.pick(([size - 1, 0], list(range(size))[::-1], [0, 0]))
    name = f"picked{len(draft.parameters)}"
    draft.setup(f'self.register_buffer("{name}", torch.tensor({picked}))')
    draft.parameters[f"self.{name}"] = ()
    draft.emit(f"torch.index_select({x}, {axis}, self.{name})")


def _pieces(name: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        axis = _axis(draft, x)
        size = _size(x, axis)
        if size < 2:
            raise MisfitError
        match name:
            case "chunk" | "tensor_split":
                draft.emit_pieces(f"{x}.{name}({draft.pick((2, 3))}, dim={axis})")
            case "split":
                sizes = draft.pick((size // 2, [1, size - 1]))
                draft.emit_pieces(f"{x}.split({sizes}, dim={axis})")
            case "split_with_sizes":
                draft.emit_pieces(f"{x}.split_with_sizes([1, {size - 1}], dim={axis})")
            case _:
                if size > 4:
                    raise MisfitError
                draft.emit_pieces(f"{x}.unbind({axis})")

    return make


def _shuffled_by_hand(draft: Draft, x: Value) -> None:
    """A channel shuffle as view, transpose, view."""
    groups, rest = draft.pick(_splits(x.shape[0]))
    sizes = "".join(f", {size}" for size in x.shape[1:])
    draft.emit(f"{x}.reshape({x}.shape[0], {groups}, {rest}{sizes}).transpose(1, 2).reshape({x}.shape[0], -1{sizes})")


def _tokens(draft: Draft, x: Value) -> None:
    """Positions as tokens, or tokens as positions."""
    if x.rank < 2:
        raise MisfitError
    draft.axis = 1
    draft.emit(f"{x}.flatten(2).transpose(1, 2)")


def _concatenation(draft: Draft, x: Value) -> None:
    place = draft.pick(range(x.rank))
    rest = (*x.shape[:place], *x.shape[place + 1 :])
    fitting = [
        value
        for value in reversed(draft.values)
        if value.rank == x.rank and (*value.shape[:place], *value.shape[place + 1 :]) == rest
    ]
    joined = [x.name, *(draft.pick(fitting).name for _ in range(draft.pick((1, 2))))]
    axis = draft.pick((place + 1, place - x.rank))
    draft.emit(f"torch.cat([{', '.join(joined)}], {axis})")


def _stack(draft: Draft, x: Value) -> None:
    y = draft.pick([value for value in reversed(draft.values) if value.shape == x.shape])
    axis = draft.pick(range(1, x.rank + 2))
    draft.emit(f"torch.stack([{x}, {y}], {axis})")


def _template(template: str) -> Maker:
    def make(draft: Draft, x: Value) -> None:
        draft.emit(template.format(x=x))

    return make


SIDE_BY_SIDE: dict[str, Maker] = {"Concat": _concatenation, "torch.stack": _stack}
MOVES: dict[str, Maker] = {
    "torch.reshape": lambda draft, x: _reshaped(draft, x, draft.pick(("reshape", "view"))),
    "Tensor.view_as": _like("view_as"),
    "Tensor.reshape_as": _like("reshape_as"),
    "torch.flatten": _flatten,
    "Flatten": _flatten_layer,
    "torch.unflatten": _unflatten,
    "Unflatten": _unflatten_layer,
    "torch.permute": _permute,
    **{f"torch.{name}": _transpose(name) for name in ("transpose", "swapaxes", "swapdims", "movedim", "moveaxis")},
    "torch.squeeze": _squeeze,
    "torch.unsqueeze": _unsqueeze,
    "torch.t": _t,
    "torch.pixel_shuffle": _pixels("pixel_shuffle", False),
    "torch.pixel_unshuffle": _pixels("pixel_unshuffle", False),
    "PixelShuffle": _pixels("pixel_shuffle", True),
    "PixelUnshuffle": _pixels("pixel_unshuffle", True),
    "operator.getitem": _index,
    "torch.narrow": _narrow,
    "torch.select": _select,
    "torch.flip": _flip,
    "torch.roll": _roll,
    "torch.channel_shuffle": lambda draft, x: _shuffle(draft, x, is_layer=False),
    "ChannelShuffle": lambda draft, x: _shuffle(draft, x, is_layer=True),
    "Tensor.expand": _expand,
    "torch.broadcast_to": _broadcast,
    "Tensor.repeat": _repeat("{x}.repeat("),
    "torch.tile": _repeat("torch.tile({x}, "),
    "torch.repeat_interleave": _repeat_interleave,
    "torch.rot90": _rot90,
    "torch.fliplr": _turned("fliplr", 1),
    "torch.flipud": _turned("flipud", 1),
    "torch.index_select": _index_select,
    **{f"torch.{name}": _pieces(name) for name in ("chunk", "split", "tensor_split", "unbind", "split_with_sizes")},
}
OTHER_MOVES: dict[str, Maker] = {
    "channel shuffle by hand": _shuffled_by_hand,
    "tokens": _tokens,
    "contiguous": _template("{x}.contiguous()"),
    "clone": _template("{x}.clone()"),
    "detach": _template("{x}.detach()"),
    "to": _template("{x}.to({x}.dtype)"),
}
