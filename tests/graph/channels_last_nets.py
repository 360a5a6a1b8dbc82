"""Networks that run channels-last for a while, or whose windows run over what are channels elsewhere."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from micro_nets import MicroNet, conv, linear
from micro_nets import between as between_any
from micro_nets import net as net_any
from torch import Tensor, nn

CHANNELS_LAST: dict[str, MicroNet] = {}
net = partial(net_any, into=CHANNELS_LAST)
between = partial(between_any, into=CHANNELS_LAST)


@between(5, one=linear(5, 5), two=conv(5, 5))
def pool_after_channels_came_back(m: nn.Module, x: Tensor) -> Tensor:
    y = m.one(F.relu(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return m.two(F.max_pool2d(F.avg_pool2d(y, 3, 1, 1), 2, 2))


@between(5, one=linear(5, 6), two=linear(6, 5), pool=nn.MaxPool2d((3, 1), (2, 1), (1, 0)), end=conv(5, 5), larger=None)
def pool_of_columns(m: nn.Module, x: Tensor) -> Tensor:
    return m.end(m.two(m.pool(m.one(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2))


@between(5, one=linear(5, 6), two=linear(3, 5), pool=nn.AvgPool2d(2, 2, 1, ceil_mode=True), end=conv(5, 5), larger=None)
def pool_of_features(m: nn.Module, x: Tensor) -> Tensor:
    y = m.pool(F.relu(m.one(x.permute(0, 2, 3, 1))))
    return m.end(m.two(y[..., :3]).permute(0, 3, 1, 2))


@between(6, one=nn.Conv1d(6, 6, 3, padding=1), two=linear(6, 6), pool=nn.MaxPool1d(2), larger=None)
def sequence(m: nn.Module, x: Tensor) -> Tensor:
    y = m.two(m.pool(m.one(x.flatten(2))).transpose(1, 2)).transpose(1, 2)
    return F.relu(y).reshape(-1, 6, 4, 8)


@between(6, one=linear(6, 6), two=nn.Conv1d(6, 6, 3, padding=1), wide=nn.MaxPool1d(3, 1, 1), larger=None)
def sequence_pooled_over_features(m: nn.Module, x: Tensor) -> Tensor:
    y = m.wide(m.one(x.flatten(2).transpose(1, 2))).transpose(1, 2)
    return m.two(F.avg_pool1d(y, 2)).reshape(-1, 6, 4, 8)


@net(
    stem=nn.Conv3d(1, 4, 3, padding=1),
    one=linear(4, 5),
    body=nn.Conv3d(5, 4, 3, padding=1),
    pool=nn.MaxPool3d(2),
    head=linear(4, 2),
    shapes=((1, 4, 6, 4),),
    larger=((1, 6, 6, 8),),
)
def three_axes(m: nn.Module, x: Tensor) -> Tensor:
    y = m.one(F.relu(m.stem(x).permute(0, 2, 3, 4, 1))).permute(0, 4, 1, 2, 3)
    return m.head(F.relu(m.body(m.pool(y))).mean((2, 3, 4)))


@net(
    stem=nn.Conv3d(1, 4, 3, padding=1),
    one=linear(4, 5),
    body=linear(5, 4),
    pool=nn.MaxPool3d((2, 3, 1)),
    head=linear(4, 2),
    shapes=((1, 4, 6, 4),),
    larger=None,
)
def three_axes_pooled_channels_last(m: nn.Module, x: Tensor) -> Tensor:
    y = m.pool(m.one(m.stem(x).movedim(1, 4)))
    return m.head(F.relu(m.body(y)).mean((1, 2, 3)))


@net(stem=nn.Conv3d(1, 4, 3, padding=1), one=linear(4, 5), head=linear(4, 2), shapes=((1, 4, 6, 4),), larger=None)
def frames_on_the_axis_of_channels(m: nn.Module, x: Tensor) -> Tensor:
    y = m.stem(x)
    batch, channels, depth, height, width = y.shape
    y = F.max_pool2d(F.relu(y).flatten(1, 2), 2).view(batch, channels, depth, height // 2, width // 2)
    return m.head(F.relu(m.one(y.permute(0, 2, 3, 4, 1)))[..., :4].mean((1, 2, 3)))


@between(6, pool=nn.AvgPool2d(3, 1, 1), norm=nn.InstanceNorm2d(6, affine=False), larger=None)
def layers_that_take_the_batch_for_channels(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2)
    return (m.pool(y) + m.norm(y)).view_as(x)


@between(6, zeros=nn.ZeroPad2d((0, 0, 1, -1)), mirror=nn.ReflectionPad2d((0, 0, 1, -1)), larger=None)
def padding_that_moves_channels(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2)
    return (m.zeros(y) + m.mirror(y)).view_as(x) + F.pad(x, (0, 0, 0, 0, 1, -1), value=0.5)


@between(6, one=linear(6, 6), two=conv(6, 6))
def padding_of_positions(m: nn.Module, x: Tensor) -> Tensor:
    y = F.pad(m.one(x.permute(0, 2, 3, 1)), (0, 0, 1, 0, 0, 1), value=0.5)
    return m.two(y.permute(0, 3, 1, 2))


@between(6, one=linear(6, 6), two=conv(6, 6), larger=None)
def interpolation_channels_last(m: nn.Module, x: Tensor) -> Tensor:
    return m.two(F.interpolate(m.one(x.permute(0, 2, 3, 1)), scale_factor=(2, 1)).permute(0, 3, 1, 2))


@between(6, one=linear(6, 5), rows=conv(8, 7), two=linear(5, 6), larger=None)
def convolution_of_rows(m: nn.Module, x: Tensor) -> Tensor:
    return m.two(m.rows(m.one(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


@between(6, one=conv(6, 6), last=linear(6, 5), end=conv(5, 6, 5))
def constants_before_padding(m: nn.Module, x: Tensor) -> Tensor:
    y = m.last(F.relu(m.one(x)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return m.end(F.pad(F.avg_pool2d(y, 3, 2, 1), (3, 3, 3, 3)))


@between(6, last=linear(6, 5), two=linear(5, 6), end=conv(6, 6), larger=None)
def mean_over_rows(m: nn.Module, x: Tensor) -> Tensor:
    return m.end(m.two(m.last(x.permute(0, 2, 3, 1)).mean(1, keepdim=True)).permute(0, 3, 1, 2))
