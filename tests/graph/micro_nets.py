"""Tiny networks, each with one way in which channels can travel, and how a test asks what is left of one.

A net is written as its forward pass: `@net(...)` names the layers, and the function uses them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

Shapes = tuple[tuple[int, ...], ...]
IMAGE: Shapes = ((3, 8, 8),)
LARGER: Shapes = ((3, 11, 14),)


class Forward(nn.Module):
    """Layers and the function that uses them."""

    def __init__(self, function: Callable[..., object], layers: dict[str, nn.Module | Tensor]) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *images: Tensor) -> object:
        return self.function(self, *images)


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroNet:
    """A module with the images that it takes.

    Attributes:
        module: In evaluation mode, weights drawn at random; copied before it is used.
        shapes: `[C, H, W]` of one image, one shape an input.
        larger: Other shapes that it takes; none where it is made for one size.
        gap: Allowed difference of the plain layers with all gates open; above 0 only where another kernel computes.
    """

    module: nn.Module
    shapes: Shapes
    larger: Shapes | None
    gap: float

    def fresh(self) -> nn.Module:
        """A copy of the module."""
        return copy.deepcopy(self.module)


NETS: dict[str, MicroNet] = {}


def net(
    *,
    shapes: Shapes = IMAGE,
    larger: Shapes | None = LARGER,
    gap: float = 0.0,
    into: dict[str, MicroNet] = NETS,
    **layers: nn.Module | Tensor,
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Register a function as the forward pass of a net with these layers, in `into`."""

    def register(function: Callable[..., object]) -> Callable[..., object]:
        module = randomised(Forward(function, layers))
        into[function.__name__] = MicroNet(module=module, shapes=shapes, larger=larger, gap=gap)
        return function

    return register


def between(
    channels: int,
    *,
    to: int | None = None,
    larger: Shapes | None = LARGER,
    gap: float = 0.0,
    into: dict[str, MicroNet] = NETS,
    **layers: nn.Module | Tensor,
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register a function of maps as what stands between two convolutions: 3 -> 5 -> channels, to -> 4 -> logits."""

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        @wraps(function)
        def forward(m: nn.Module, x: Tensor) -> Tensor:
            x = function(m, m.before(F.relu(m.stem(x))))
            return m.head(F.relu(m.after(x)).mean((2, 3)))

        ends = {"stem": conv(3, 5), "before": conv(5, channels), "after": conv(to or channels, 4), "head": linear(4, 3)}
        net(larger=larger, gap=gap, into=into, **ends, **layers)(forward)
        return function

    return register


def conv(inputs: int, outputs: int, kernel: int = 3, **options: int) -> nn.Conv2d:
    options.setdefault("padding", kernel // 2)
    return nn.Conv2d(inputs, outputs, kernel, **options)


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


def randomised(module: nn.Module) -> nn.Module:
    """`module` in float64 evaluation mode, every tensor drawn as if it had been trained."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.named_parameters():
        owner = module.get_submodule(name.rpartition(".")[0])
        is_scale = name.endswith("weight") and tensor.dim() == 1 and not isinstance(owner, Forward)
        if is_scale:
            nn.init.uniform_(tensor, 0.5, 1.5, generator=generator)
        else:
            nn.init.normal_(tensor, std=max(tensor[:1].numel() if tensor.dim() else 1, 1) ** -0.5, generator=generator)
    for name, tensor in module.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(tensor, std=0.5, generator=generator)
        elif name.endswith("running_var"):
            nn.init.uniform_(tensor, 0.5, 2.0, generator=generator)
    return module.double().eval()


class DropPath(nn.Module):
    """The same as StochasticDepth, under the name that other libraries give it."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(1 - self.drop_prob)
        return x * keep / (1 - self.drop_prob)


@between(4, to=8)
def concat_with_itself(_: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([x, x], 1)


@between(3, to=13, one=conv(3, 3), two=conv(3, 4))
def concat_of_concats(m: nn.Module, x: Tensor) -> Tensor:
    both = torch.cat([x, m.one(x)], 1)
    return torch.cat([torch.cat([both, m.two(x)], 1), F.relu(x)], 1)


@between(4, to=5, side=conv(4, 3), one=conv(2, 5), two=conv(5, 5, 1))
def concat_then_split(m: nn.Module, x: Tensor) -> Tensor:
    first, second = torch.split(F.relu(torch.cat([x, m.side(x)], 1)), [2, 5], 1)
    return m.one(first) + m.two(second)


@between(4, to=9, left=conv(4, 3), right=conv(4, 2), one=conv(7, 5), two=conv(6, 4))
def producer_of_two_concats(m: nn.Module, x: Tensor) -> Tensor:
    one, two = torch.cat([x, m.left(x)], 1), torch.cat([m.right(x), x], 1)
    return torch.cat([m.one(F.relu(one)), m.two(F.relu(two))], 1)


@between(1, to=6, same=conv(1, 1), wide=conv(1, 6))
def one_channel_convolution(m: nn.Module, x: Tensor) -> Tensor:
    return m.wide(F.relu(m.same(x)))


_LAYER, _FIRST, _SECOND = conv(4, 4), conv(4, 4), conv(4, 4)
_SECOND.weight, _SECOND.bias = _FIRST.weight, _FIRST.bias


@between(4, one=_LAYER, norm1=norm(4), two=_LAYER, norm2=norm(4))
def shared_layer(m: nn.Module, x: Tensor) -> Tensor:
    return m.norm2(m.two(F.relu(m.norm1(m.one(x)))))


@between(4, one=_FIRST, two=_SECOND)
def shared_weights(m: nn.Module, x: Tensor) -> Tensor:
    return m.one(x) + m.two(F.relu(x))


@between(4, twice=conv(4, 5), down=nn.MaxPool2d(2), larger=None)
def called_twice_at_two_sizes(m: nn.Module, x: Tensor) -> Tensor:
    small = F.relu(m.twice(m.down(x)))[:, :4]
    return m.twice(x)[:, 1:] + F.interpolate(small, size=x.shape[2:])


@between(5, twice=conv(5, 5), norm=nn.GroupNorm(1, 5))
def layer_of_its_own_output(m: nn.Module, x: Tensor) -> Tensor:
    return m.norm(m.twice(F.relu(m.twice(x))))


@between(4, unused=linear(7, 3), table=parameter(3, 2))
def unused_parameter(_: nn.Module, x: Tensor) -> Tensor:
    return F.silu(x)


@between(12, to=6)
def products_of_channels(_: nn.Module, x: Tensor) -> Tensor:
    batch, _channels, height, width = x.shape
    halves = x.reshape(batch, 2, 6, height, width)
    return torch.relu(halves[:, 0]) + halves[:, 1].reshape(batch, 2, 3, height, width).flatten(1, 2)


@between(4, one=conv(4, 4), two=conv(4, 4, 1))
def nested_functions(m: nn.Module, x: Tensor) -> Tensor:
    def branch(layer: nn.Module) -> Callable[[Tensor], Tensor]:
        def run(inner: Tensor) -> Tensor:
            return F.relu(layer(inner)) if inner.shape[1] == 4 else inner

        return run

    return sum((branch(layer)(x) for layer in (m.one, m.two)), x)


@net(stem=conv(3, 4), body=conv(4, 5), head=linear(5, 4))
def stem_for_output_and_body(m: nn.Module, x: Tensor) -> Tensor:
    stem = m.stem(x)
    return m.head(F.relu(m.body(F.relu(stem))).mean((2, 3))) + stem.mean((2, 3))


@between(5, one=conv(5, 1))
def add_of_one_channel(m: nn.Module, x: Tensor) -> Tensor:
    return x + torch.sigmoid(m.one(x))


@between(4, norm1=norm(4), one=conv(4, 6, bias=False), norm2=norm(6), two=conv(6, 4, bias=False))
def residual(m: nn.Module, x: Tensor) -> Tensor:
    return x + m.two(F.relu(m.norm2(m.one(F.relu(m.norm1(x))))))


@net(norm=norm(3), stem=conv(3, 4), body=conv(4, 4), head=linear(4, 3))
def norm_of_the_image(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(F.relu(m.body(F.relu(m.stem(m.norm(x))))).mean((2, 3)))


@between(4, one=conv(4, 5), two=conv(5, 4))
def bias_without_norm(m: nn.Module, x: Tensor) -> Tensor:
    return m.two(m.one(x))


@between(4, one=conv(4, 5, bias=False), norm=norm(5), two=conv(5, 5, 5), three=conv(5, 4, dilation=2, padding=2))
def padding_after_a_shifted_norm(m: nn.Module, x: Tensor) -> Tensor:
    return m.three(m.two(m.norm(m.one(x))))


@between(
    4, one=conv(4, 4), two=conv(4, 4), drop=nn.Dropout2d(0.2), depth=StochasticDepth(0.3, "row"), path=DropPath(0.1)
)
def dropout_and_stochastic_depth(m: nn.Module, x: Tensor) -> Tensor:
    x = x + m.depth(m.one(m.drop(x)))
    return F.dropout(x + m.path(m.two(F.relu(x))), 0.4, training=m.training)


@between(4, max_pool2d=nn.MaxPool2d(2), one=conv(4, 4))
def calls_named_as_a_layer(m: nn.Module, x: Tensor) -> Tensor:
    return m.max_pool2d(m.one(F.max_pool2d(F.max_pool2d(x, 3, 1), 3, 1)))


@net(head=linear(48, 3), shapes=((3, 4, 4),), larger=None)
def linear_of_the_image(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(x.flatten(1))
