"""For every operation that docs/reference/graph_rules.md lists one tiny network that has it between two readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from micro_nets import Forward, MicroNet, conv, linear, parameter, randomised
from operation_names import FOLLOWED, LAYER_CALLS, MOVEMENTS
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from studentsearch.graph.arguments import resolve
from studentsearch.graph.layer_classes import layer_class
from studentsearch.graph.operations.propagation import num_spatial_axes

Operation = Callable[[Tensor, Tensor], object]
PASSED_ON = ("Tensor.contiguous", "torch.clone", "torch.detach", "Tensor.to", "Tensor.float")
LISTED = frozenset({*FOLLOWED, *MOVEMENTS, *LAYER_CALLS, *PASSED_ON} - {"Constant", "Output"})
"""Only students have constants, and every network has an output."""

CHANNELS = 6
_LAYERS: Mapping[str, tuple[object, ...]] = {
    "Threshold": (0.1, 0.2),
    "LocalResponseNorm": (3,),
    "LayerNorm": ((CHANNELS, 8, 8),),
    "RMSNorm": ((8, 8),),
    "GroupNorm": (3, CHANNELS),
    "GLU": (1,),
    "Linear": (8, 5),
    "Softmax": (1,),
    "LogSoftmax": (1,),
    "Softmin": (1,),
    "ChannelShuffle": (2,),
    "PixelShuffle": (1,),
    "PixelUnshuffle": (2,),
    "Unflatten": (1, (2, 3)),
    "PReLU": (CHANNELS,),
    "Upsample": (None, 2),
    "UpsamplingNearest2d": (None, 2),
    "UpsamplingBilinear2d": (None, 2),
    "Select": ((4, 1, -1, 3),),
    "StochasticDepth": (0.2,),
}
_ARGUMENTS: Mapping[str, tuple[object, ...]] = {
    "Conv": (CHANNELS, 5, 3),
    "ConvTranspose": (CHANNELS, 5, 3),
    "BatchNorm": (CHANNELS,),
    "InstanceNorm": (CHANNELS,),
    "AdaptiveAvgPool": (2,),
    "AdaptiveMaxPool": (2,),
    "MaxPool": (2,),
    "AvgPool": (2,),
    "LPPool": (2, 2),
    "ConstantPad": (1, 0.3),
}
_F = "torch.nn.functional."


def calls(names: str, run: Callable[[Callable[..., Tensor], Tensor, Tensor], object]) -> dict[str, Operation]:
    """The same call of several functions of torch."""
    return {f"torch.{name}": lambda x, y, name=name: run(resolve(f"torch.{name}"), x, y) for name in names.split()}


_CALLS: dict[str, Operation] = {
    **calls(
        "sub rsub mul div maximum minimum atan2 hypot multiply subtract divide true_divide", lambda f, x, y: f(x, y)
    ),
    **calls("gt lt ge", lambda f, x, y: f(x, y).to(x)),
    **calls("eq ne le", lambda f, x, y: f(F.relu(x), 0 * y).to(x)),
    **calls("logical_and logical_or bitwise_and bitwise_or", lambda f, x, y: f(x > 0.5, y > 0).to(x)),
    **calls("isnan isinf", lambda f, x, _: f(x).to(x)),
    **calls("amax amin logsumexp", lambda f, x, _: f(x, (2, 3))),
    **calls("sum mean prod var std", lambda f, x, _: f(x, 2)),
    **calls("softmax log_softmax unbind", lambda f, x, _: f(x, 1)),
    **calls("transpose swapaxes swapdims movedim moveaxis", lambda f, x, _: f(x, 1, 3)),
    **calls("chunk split tensor_split", lambda f, x, _: f(x, 2, 1)),
    f"{_F}softmax": lambda x, _: F.softmax(x, 3),
    f"{_F}log_softmax": lambda x, _: F.log_softmax(x, 3),
    f"{_F}softmin": lambda x, _: F.softmin(x, 3),
    "torch.logical_not": lambda x, _: torch.logical_not(x > 0).to(x),
    "torch.add": lambda x, y: torch.add(x, y, alpha=0.5),
    "Add": lambda x, y: x + y,
    "torch.addcmul": lambda x, y: torch.addcmul(x, x, y, value=0.3),
    "torch.lerp": lambda x, y: torch.lerp(x, y, 0.3),
    "torch.where": lambda x, y: torch.where(x > 0, x, y),
    "torch.masked_fill": lambda x, y: x.masked_fill(y > 0, 0.5),
    "torch.acosh": lambda x, _: torch.acosh(x + 1.1),
    "Tensor.type_as": lambda x, y: (x > 0.5).type_as(y),
    "torch.bitwise_not": lambda x, y: (~(x > 0.5)).float().to(y),
    "torch.pow": lambda x, _: torch.pow(x, 3),
    "torch.clamp": lambda x, _: torch.clamp(x, -0.5, 0.5),
    "torch.clip": lambda x, _: torch.clip(x, -0.5, 0.5),
    "torch.clamp_min": lambda x, _: torch.clamp_min(x, -0.5),
    "torch.clamp_max": lambda x, _: torch.clamp_max(x, 0.5),
    "torch.full_like": lambda x, _: torch.full_like(x, 0.5) + x,
    "torch.zeros_like": lambda x, _: torch.zeros_like(x) + x,
    "torch.ones_like": lambda x, _: torch.ones_like(x) * x,
    "torch.fmod": lambda x, _: torch.fmod(x, 0.7),
    "torch.remainder": lambda x, _: torch.remainder(x, 0.7),
    "torch.threshold": lambda x, _: torch.threshold(x, 0.1, 0.2),
    f"{_F}threshold": lambda x, _: F.threshold(x, 0.1, 0.2),
    "Tensor.expand_as": lambda x, y: x.mean((2, 3), keepdim=True).expand_as(y),
    f"{_F}interpolate": lambda x, _: F.interpolate(x, scale_factor=0.5),
    f"{_F}upsample": lambda x, _: F.upsample(x, scale_factor=2),
    f"{_F}pad": lambda x, _: F.pad(x, (1, 0, 0, 1), value=0.3),
    f"{_F}glu": lambda x, _: F.glu(x, 1),
    f"{_F}local_response_norm": lambda x, _: F.local_response_norm(x, 3),
    "torch.norm": lambda x, _: torch.norm(x, dim=(2, 3)),
    "torch.linalg.vector_norm": lambda x, _: torch.linalg.vector_norm(x, dim=(2, 3)),
    "Concat": lambda x, y: torch.cat([x, y], 1),
    "torch.stack": lambda x, y: torch.stack([x, y], 2),
    "torch.matmul": lambda x, y: x @ y,
    "torch.bmm": lambda x, y: torch.bmm(x.flatten(2), y.flatten(2).transpose(1, 2)),
    f"{_F}scaled_dot_product_attention": lambda x, y: F.scaled_dot_product_attention(x, y, x),
    "torch.einsum": lambda x, y: torch.einsum("bchw,bdhw->bcd", x, y),
    "Tensor.reshape": lambda x, _: x.reshape(-1, 2, 3, 64),
    "torch.reshape": lambda x, _: torch.reshape(x, (-1, 3, 2, 8, 8)),
    "Tensor.view_as": lambda x, y: x.flatten(2).view_as(y),
    "Tensor.reshape_as": lambda x, y: x.flatten(1).reshape_as(y),
    "torch.flatten": lambda x, _: torch.flatten(x, 1, 2),
    "torch.unflatten": lambda x, _: torch.unflatten(x, 1, (2, 3)),
    "torch.permute": lambda x, _: x.permute(0, 2, 3, 1),
    "torch.t": lambda x, _: x.flatten(1),
    "torch.squeeze": lambda x, _: x.mean(2, keepdim=True).squeeze(2),
    "torch.unsqueeze": lambda x, _: x.unsqueeze(2),
    "torch.pixel_shuffle": lambda x, _: F.pixel_shuffle(torch.cat([x, x], 1), 2),
    "torch.pixel_unshuffle": lambda x, _: F.pixel_unshuffle(x, 2),
    "operator.getitem": lambda x, _: x[:, 1:4, ::2],
    "torch.narrow": lambda x, _: x.narrow(1, 1, 4),
    "torch.select": lambda x, _: x.select(3, 2),
    "torch.flip": lambda x, _: x.flip(1),
    "torch.fliplr": lambda x, _: torch.fliplr(x),
    "torch.flipud": lambda x, _: torch.flipud(x.transpose(0, 1)).transpose(0, 1),
    "torch.roll": lambda x, _: x.roll(1, 1),
    "torch.rot90": lambda x, _: torch.rot90(x, 1, (2, 3)),
    "torch.channel_shuffle": lambda x, _: torch.channel_shuffle(x, 2),
    "Tensor.expand": lambda x, _: x.mean(3, keepdim=True).expand(-1, CHANNELS, 8, 8),
    "torch.broadcast_to": lambda x, _: x.mean(3, keepdim=True).broadcast_to(x.shape),
    "Tensor.repeat": lambda x, _: x.repeat(1, 2, 1, 1),
    "torch.tile": lambda x, _: x.tile((1, 2, 1, 1)),
    "torch.repeat_interleave": lambda x, _: x.repeat_interleave(2, 1),
    "torch.index_select": lambda x, _: x.index_select(1, torch.tensor([3, 1])),
    "torch.split_with_sizes": lambda x, _: torch.split_with_sizes(x, [2, 4], 1),
    "Tensor.contiguous": lambda x, _: x.contiguous(),
    "torch.clone": lambda x, _: x.clone(),
    "torch.detach": lambda x, _: x.detach(),
    "Tensor.to": lambda x, _: x.to(x.dtype),
    "Tensor.float": lambda x, _: x.float().double(),
}


def weighted(name: str) -> tuple[dict[str, Tensor], Callable[[nn.Module, Tensor], object]]:
    """The parameters of a functional call with weights, and the call."""
    function, kind = resolve(name), name.rpartition(".")[2]
    outputs = 5
    match kind:
        case "linear":
            shapes = {"weight": (outputs, 8), "bias": (outputs,)}
        case "batch_norm":
            zeros, ones = torch.zeros(CHANNELS).double(), torch.ones(CHANNELS).double()
            tensors = {"mean": zeros, "var": ones, "weight": parameter(CHANNELS), "bias": parameter(CHANNELS)}
            if name == "torch.batch_norm":
                return tensors, lambda m, x: function(x, m.weight, m.bias, m.mean, m.var, False, 0.1, 1e-5, False)
            return tensors, lambda m, x: function(x, m.mean, m.var, m.weight, m.bias)
        case "instance_norm":
            if name == "torch.instance_norm":
                run = lambda m, x: function(x, m.weight, None, None, None, True, 0.1, 1e-5, False)  # noqa: E731
                return {"weight": parameter(CHANNELS)}, run
            return {"weight": parameter(CHANNELS)}, lambda m, x: function(x, weight=m.weight)
        case "layer_norm" | "rms_norm":
            return {"weight": parameter(8, 8)}, lambda m, x: function(x, (8, 8), m.weight)
        case "group_norm":
            return {"weight": parameter(CHANNELS)}, lambda m, x: function(x, 2, m.weight)
        case "prelu":
            return {"weight": parameter(CHANNELS)}, lambda m, x: function(x, m.weight)
        case _:
            spatial = num_spatial_axes(kind) or 2
            channels = (CHANNELS, outputs) if "transpose" in kind else (outputs, CHANNELS)
            shapes = {"weight": (*channels, *[3] * spatial), "bias": (outputs,)}
            tensors = {role: parameter(*shape) for role, shape in shapes.items()}
            return tensors, lambda m, x: function(of_rank(x, spatial), m.weight, m.bias, 1, 1)
    return {role: parameter(*shape) for role, shape in shapes.items()}, lambda m, x: function(x, m.weight, m.bias)


def of_rank(x: Tensor, spatial: int) -> Tensor:
    """Maps `[B, C, 8, 8]` with one, two or three axes of positions."""
    return x.flatten(2) if spatial == 1 else x.unflatten(2, (4, 2)) if spatial == 3 else x


def layer(name: str) -> tuple[nn.Module, Callable[[nn.Module, Tensor], object]]:
    """A layer of the table, and how it is called."""
    if name == "MultiheadAttention":
        made: nn.Module = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)
        return made, lambda m, x: m.layer(*[x.flatten(2).transpose(1, 2)] * 3, need_weights=False)[0]
    kind = StochasticDepth if name == "StochasticDepth" else layer_class(name)
    assert kind is not None
    spatial = num_spatial_axes(name) or 2
    arguments = _LAYERS.get(name, _ARGUMENTS.get(name[:-2], ()))
    if name == "StochasticDepth":
        arguments = (0.2, "row")
    elif not arguments and "Pad" in name:
        arguments = (1,)
    elif name.startswith("Conv"):
        arguments = (*arguments, 1, 1)
    made = kind(*arguments)
    rank = 2 if name.startswith("Upsampling") or name == "Dropout2d" else spatial
    return made, lambda m, x: m.layer(of_rank(x, rank))


def listed_net(name: str) -> MicroNet:
    """Two convolutions, the operation of what they give, a mean over positions and a linear layer.

    Args:
        name: One of `LISTED`.

    Returns:
        The net.
    """
    own: dict[str, nn.Module | Tensor] = {}
    if name in LAYER_CALLS:
        tensors, run = weighted(name)
        own |= tensors
    elif name in _CALLS or "." in name:
        function = _CALLS.get(name, lambda x, _: resolve(name)(x))

        def run(m: nn.Module, x: Tensor) -> object:
            return function(x, m.side(x))

    else:
        own["layer"], run = layer(name)

    def features(m: nn.Module, image: Tensor) -> Tensor:
        # Between 0.1 and 0.9: logarithms, roots and inverse functions take it.
        x = 0.1 + 0.8 * torch.sigmoid(m.body(F.relu(m.stem(image))))
        found = run(m, x)
        parts = [found] if isinstance(found, Tensor) else list(found)
        return torch.cat([part.flatten(2).mean(2) if part.dim() > 2 else part for part in parts], 1)

    def forward(m: nn.Module, image: Tensor) -> Tensor:
        return m.head(features(m, image))

    layers = {"stem": conv(3, 4), "body": conv(4, CHANNELS), "side": conv(CHANNELS, CHANNELS), **own}
    trial = Forward(features, layers).double().eval()
    width = trial(torch.zeros(2, 3, 8, 8, dtype=torch.float64)).shape[1]
    module = randomised(Forward(forward, {**layers, "head": linear(width, 3)}))
    return MicroNet(module=module, shapes=((3, 8, 8),), larger=None, gap=0.0)
