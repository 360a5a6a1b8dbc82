"""Networks that view, slice and split vectors `[B, features]`, or drop the axes of size 1 from them."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from micro_nets import Forward, MicroNet, conv, linear, randomised
from micro_nets import between as between_any
from micro_nets import net as net_any
from torch import Tensor, nn

VECTORS: dict[str, MicroNet] = {}
SQUEEZED: dict[str, MicroNet] = {}
net = partial(net_any, into=VECTORS)
squeezed = partial(net_any, into=SQUEEZED)
between = partial(between_any, into=SQUEEZED)


def of_features(num_features: int = 6, **layers: nn.Module | Tensor):
    """Register a function of a vector as what stands between a linear layer and the next: 4 -> features -> function."""

    def register(function):
        def forward(m: nn.Module, x: Tensor) -> object:
            return function(m, m.features(F.relu(m.stem(x)).mean((2, 3))))

        layers_of_net = {"stem": conv(3, 4), "features": linear(4, num_features), **layers}
        VECTORS[function.__name__] = MicroNet(
            module=randomised(Forward(forward, layers_of_net)), shapes=((3, 8, 8),), larger=((3, 11, 14),), gap=0.0
        )
        return function

    return register


@net(stem=conv(3, 4), hidden=linear(4, 6), head=linear(6, 3))
def view_of_pooled(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.stem(x)).mean((2, 3))
    return m.head(F.relu(m.hidden(x.view(x.size(0), -1))))


@of_features(head=linear(6, 9))
def slice_of_logits(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(F.relu(x).view(x.size(0), -1))[:, :5]


@of_features(head=linear(3, 4))
def chunk(m: nn.Module, x: Tensor) -> Tensor:
    first, second = x.chunk(2, 1)
    return m.head(first * torch.sigmoid(second))


@of_features(head=linear(3, 4))
def split(m: nn.Module, x: Tensor) -> Tensor:
    first, second, third = torch.split(x, [3, 2, 1], dim=1)
    return m.head(first + second.sum(1, keepdim=True) * third)


@of_features(head=linear(1, 4))
def unbind(m: nn.Module, x: Tensor) -> Tensor:
    parts = x.unsqueeze(2).unbind(1)
    return m.head(parts[0] * parts[1])


@of_features(head=linear(6, 9))
def heads_and_back(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(x.view(x.size(0), 2, 3)).view(x.size(0), 6)
    return m.head(F.softmax(x.view(x.size(0), 2, 3), 1).flatten(1))


@of_features(head=linear(1, 9))
def single_features(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(x[:, 2:3] * x[:, [4]] + x.narrow(1, 0, 1) + x.select(1, 5).unsqueeze(1))


@of_features(head=linear(3, 4))
def strided(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(F.relu(x[:, ::2]) + x[:, 1::2])


@of_features(head=linear(6, 9))
def map_of_one_position(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(F.relu(x.view(-1, 6, 1, 1)).flatten(1)).view(-1, 9)


@of_features(head=linear(6, 4))
def flipped_and_rolled(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(x.flip(1) + x.roll(1, 1) + x.flip((-1,)))


@of_features(head=linear(12, 4))
def repeated(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(x.repeat(1, 2) + x.repeat_interleave(2, 1) + torch.cat([x, x], 1) + x.tile((1, 2)))


@of_features(head=linear(3, 4))
def maxout(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(x.view(-1, 3, 2).amax(2) + x.view(-1, 2, 3).amax(1))


@of_features(4, head=linear(4, 4))
def transposed_square(m: nn.Module, x: Tensor) -> Tensor:
    x = x.view(-1, 2, 2).transpose(1, 2).reshape(-1, 4)
    return m.head(x.unsqueeze(2).transpose(1, 2).squeeze(1))


@of_features(64, one=conv(1, 4), four=conv(4, 4), head=linear(4, 3))
def vector_as_a_map(m: nn.Module, x: Tensor) -> Tensor:
    plane, planes = F.relu(m.one(F.relu(x.view(-1, 1, 8, 8)))), F.relu(m.four(F.relu(x.view(-1, 4, 4, 4))))
    return m.head(plane.mean((2, 3)) + planes.mean((2, 3)))


@of_features(4, head=linear(4, 3), flat=linear(16, 3))
def outer_product(m: nn.Module, x: Tensor) -> Tensor:
    product = x.unsqueeze(2) * x.unsqueeze(1)
    return m.head(product.sum(2)) + m.flat(product.flatten(1)) + m.head(torch.bmm(x[..., None], x[:, None]).mean(1))


@of_features(norm=nn.BatchNorm1d(6), head=linear(6, 9))
def norm_and_several_slices(m: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    y = m.head(F.relu(m.norm(x.view(x.shape[0], 6))).unflatten(1, (3, 2)).flatten(1, 2))
    return y[:, :3], y[..., :-1], y.view(-1, 3, 3), y.narrow(1, 2, 3), y.select(1, 0).unsqueeze(1)


@net(hidden=linear(6, 8), mid=linear(4, 8), head=linear(8, 3), shapes=((6,),), larger=None)
def a_vector_as_input(m: nn.Module, x: Tensor) -> Tensor:
    y = F.relu(m.hidden(x.view(x.size(0), -1)))
    first, second = y.chunk(2, -1)
    return m.head(F.relu(m.mid(first + second)).reshape_as(y).view(y.shape))[..., 1:]


@of_features(4, one=nn.Conv1d(4, 5, 1), along=nn.Conv1d(1, 4, 3, padding=1), head=linear(5, 4))
def convolution_along_features(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(F.relu(m.one(m.along(x.unsqueeze(1)))).mean(2))


@of_features(pool=nn.MaxPool1d(3, 1, 1), norm=nn.InstanceNorm1d(6), pad=nn.ReflectionPad1d((1, -1)), head=linear(6, 3))
def layers_that_take_the_batch_for_channels(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(m.pool(x) + m.norm(x) + m.pad(x))


@squeezed(stem=conv(3, 4), pool=nn.AdaptiveAvgPool2d(1), head=linear(4, 3))
def pooled(m: nn.Module, x: Tensor) -> Tensor:
    return m.head(m.pool(F.relu(m.stem(x))).squeeze())


@squeezed(stem=conv(3, 4), one=conv(4, 5), pool=nn.AdaptiveAvgPool2d(1), head=nn.Conv2d(5, 3, 1))
def convolution_as_head(m: nn.Module, x: Tensor) -> Tensor:
    return torch.squeeze(m.head(m.pool(F.relu(m.one(F.relu(m.stem(x)))))))


@between(4)
def nothing_of_size_one(_: nn.Module, x: Tensor) -> Tensor:
    return x.squeeze(1).squeeze() + torch.squeeze(x) + x.squeeze(-1) + x.squeeze((1, 2))


@between(4, one=conv(4, 1), two=conv(1, 4))
def the_axis_of_channels(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(m.one(x).squeeze(1))[:, None] + m.two(m.one(x).squeeze().unsqueeze(1))


@between(4, one=linear(4, 4))
def squeeze_excite(m: nn.Module, x: Tensor) -> Tensor:
    y = m.one(F.adaptive_avg_pool2d(x, 1).squeeze())
    return x * y.sigmoid()[:, :, None, None] + x * F.adaptive_max_pool2d(x, 1).squeeze((2, 3))[..., None, None]
