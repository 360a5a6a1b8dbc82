"""Attention of convolutional networks: operands whose positions lie on the channels of others, and broadcasts."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from micro_nets import MicroNet, conv, linear, parameter
from micro_nets import between as between_any
from torch import Tensor, nn

ATTENTION: dict[str, MicroNet] = {}
between = partial(between_any, into=ATTENTION)


def along() -> nn.Conv1d:
    return nn.Conv1d(1, 1, 3, padding=1, bias=False)


@between(6, along=along(), pool=nn.AdaptiveAvgPool2d(1))
def efficient_channel_attention(m: nn.Module, x: Tensor) -> Tensor:
    y = m.along(m.pool(x).squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
    return x * torch.sigmoid(y)


@between(6, along=along(), pool=nn.AdaptiveAvgPool2d(1))
def eca_expanded(m: nn.Module, x: Tensor) -> Tensor:
    y = m.along(m.pool(x).squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
    return x * torch.sigmoid(y).expand_as(x)


@between(6, along=along())
def eca_viewed(m: nn.Module, x: Tensor) -> Tensor:
    y = m.along(x.mean((2, 3)).view(x.shape[0], 1, -1))
    return x * y.view(x.shape[0], -1, 1, 1).sigmoid().expand_as(x)


@between(8, along=along(), larger=None)
def eca_with_numbers_of_positions(m: nn.Module, x: Tensor) -> Tensor:
    y = m.along(x.mean((2, 3)).unsqueeze(1)).sigmoid()
    return x * y.view(-1, 8, 1, 1).expand(x.shape) * y.squeeze(1)[:, :, None, None]


@between(6, along=along())
def eca_twice(m: nn.Module, x: Tensor) -> Tensor:
    y = x
    for _ in range(2):
        y = y * torch.sigmoid(m.along(y.mean((2, 3)).unsqueeze(1)).squeeze(1))[..., None, None]
    return x + y


def gated(layer: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(layer(torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)))


def triplet(m: nn.Module, x: Tensor) -> Tensor:
    rows = gated(m.one, x.permute(0, 2, 1, 3).contiguous()).permute(0, 2, 1, 3).contiguous()
    columns = gated(m.two, x.permute(0, 3, 2, 1)).permute(0, 3, 2, 1)
    return (rows + columns + gated(m.three, x)) / 3


@between(6, one=conv(2, 1), two=conv(2, 1), three=conv(2, 1))
def triplet_attention(m: nn.Module, x: Tensor) -> Tensor:
    return triplet(m, x)


@between(8, one=conv(2, 1), two=conv(2, 1), three=conv(2, 1))
def triplet_attention_of_equal_axes(m: nn.Module, x: Tensor) -> Tensor:
    return triplet(m, x)


@between(6, down=conv(6, 3, 1), up=conv(3, 6, 1), space=conv(2, 1, 5))
def cbam(m: nn.Module, x: Tensor) -> Tensor:
    pooled = (F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1))
    x = x * torch.sigmoid(sum(m.up(F.relu(m.down(y))) for y in pooled))
    return x * torch.sigmoid(m.space(torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)))


@between(6, down=linear(6, 3), up=linear(3, 6))
def cbam_with_linear_layers(m: nn.Module, x: Tensor) -> Tensor:
    y = m.up(F.relu(m.down(x.mean((2, 3)))))
    return x * torch.sigmoid(y).unsqueeze(2).unsqueeze(3).expand_as(x)


@between(
    6,
    one=conv(6, 4, 1),
    norm=nn.BatchNorm2d(4),
    high=conv(4, 6, 1),
    wide=conv(4, 6, 1),
    rows=nn.AdaptiveAvgPool2d((None, 1)),
    columns=nn.AdaptiveAvgPool2d((1, None)),
    larger=None,
)
def coordinate_attention(m: nn.Module, x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    y = torch.cat([m.rows(x), m.columns(x).permute(0, 1, 3, 2)], 2)
    rows, columns = torch.split(F.hardswish(m.norm(m.one(y))), [height, width], dim=2)
    return x * m.high(rows).sigmoid() * m.wide(columns.permute(0, 1, 3, 2)).sigmoid()


@between(6)
def simple_attention(_: nn.Module, x: Tensor) -> Tensor:
    gap = (x - x.mean((2, 3), keepdim=True)).pow(2)
    return x * torch.sigmoid(gap / (4 * (gap.sum((2, 3), keepdim=True) / 64 + 1e-4)) + 0.5)


@between(6, one=conv(3, 3))
def simple_gate(m: nn.Module, x: Tensor) -> Tensor:
    first, second = x.chunk(2, 1)
    return torch.cat([m.one(first * second), first], 1)


@between(6, one=linear(6, 1))
def spatial_gate(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(m.one(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


@between(6, over=linear(64, 64), larger=None)
def spatial_gating_unit(m: nn.Module, x: Tensor) -> Tensor:
    first, second = x.flatten(2).transpose(1, 2).chunk(2, -1)
    second = m.over(second.transpose(1, 2)).transpose(1, 2)
    return torch.cat([first * second, first], 2).transpose(1, 2).view_as(x)


@between(6, one=conv(6, 1, 1), larger=None)
def global_context(m: nn.Module, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    weights = F.softmax(m.one(x).view(batch, 1, height * width), 2)
    context = torch.matmul(x.view(batch, 1, channels, height * width), weights.unsqueeze(-1))
    return x + context.view(batch, channels, 1, 1)


@between(6, query=conv(6, 3, 1), key=conv(6, 3, 1), value=conv(6, 3, 1), out=conv(3, 6, 1), larger=None)
def non_local(m: nn.Module, x: Tensor) -> Tensor:
    query, key, value = (layer(x).flatten(2) for layer in (m.query, m.key, m.value))
    y = torch.softmax(query.transpose(1, 2) @ key, -1) @ value.transpose(1, 2)
    return x + m.out(y.transpose(1, 2).reshape(-1, 3, 8, 8))


@between(6, one=conv(6, 2, 1))
def selective_kernel(m: nn.Module, x: Tensor) -> Tensor:
    weights = torch.softmax(m.one((x + F.relu(x)).mean((2, 3), keepdim=True)), 1)
    return x * weights[:, :1] + F.relu(x) * weights[:, 1:]


@between(6, two=nn.Conv1d(1, 2, 1))
def positions_that_become_channels(m: nn.Module, x: Tensor) -> Tensor:
    y = m.two(x.mean((2, 3))[:, None])
    return x * y.mean(1)[:, :, None, None] * y.amax(1)[:, :, None, None]


@between(1, to=8, larger=None)
def one_channel_times_its_rows(_: nn.Module, x: Tensor) -> Tensor:
    rows = x.mean(3, keepdim=True).transpose(1, 2)
    return x * rows + rows * x.mean(2, keepdim=True)


@between(6, table=parameter(6, 1), row=parameter(1, 1, 8), larger=None)
def parameters_that_are_repeated(m: nn.Module, x: Tensor) -> Tensor:
    return x * (x.mean(3) * m.table)[..., None] * m.row


@between(6, larger=None)
def expanded_by_numbers(_: nn.Module, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    y = x.mean((2, 3), keepdim=True)
    z = y.expand(batch, channels, height, width) + y.expand(-1, channels, height, -1)
    return x + z + x.mean(2, keepdim=True).broadcast_to(x.shape) + x.expand(batch, channels, height, width)


@between(4, one=linear(4, 4))
def viewed_as_another(m: nn.Module, x: Tensor) -> Tensor:
    y = x.mean((2, 3), keepdim=True)
    return x * m.one(y.flatten(1)).view_as(y) + x.flatten(1).reshape_as(x) + x.flatten(2).view_as(x)


@between(4)
def names_of_numpy(_: nn.Module, x: Tensor) -> Tensor:
    y = torch.cat([x, x], axis=1)[:, 2:6] + x.mean(axis=(2, 3), keepdims=True) + torch.sum(x, axis=1, keepdim=True)
    return y + torch.stack([x, x], axis=1).sum(axis=1)
