"""Networks of which several axes have the same size (C = H = W, tokens = features): only entries tell them apart."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from micro_nets import MicroNet, conv, linear, parameter
from micro_nets import between as between_any
from micro_nets import net as net_any
from torch import Tensor, nn

COINCIDENT: dict[str, MicroNet] = {}
net = partial(net_any, into=COINCIDENT)
between = partial(between_any, into=COINCIDENT)


@between(
    8, deep=conv(8, 8, groups=8), norm=nn.LayerNorm(8), wide=linear(8, 12), narrow=linear(12, 8), scale=parameter(8)
)
def convnext_block(m: nn.Module, x: Tensor) -> Tensor:
    y = m.norm(m.deep(x).permute(0, 2, 3, 1))
    return x + (m.scale * m.narrow(F.gelu(m.wide(y)))).permute(0, 3, 1, 2)


@between(8, wide=linear(8, 8), norm=nn.LayerNorm(8), scale=parameter(8, 1, 1))
def scale_of_channels_first(m: nn.Module, x: Tensor) -> Tensor:
    return x + F.gelu(m.wide(m.norm(x.movedim(1, 3)))).movedim(3, 1) * m.scale


@between(8, one=linear(8, 8))
def linear_of_transposed_channels(m: nn.Module, x: Tensor) -> Tensor:
    return x + m.one(x.transpose(1, 3)).transpose(1, 3)


@between(8, one=linear(8, 8), two=linear(8, 8), larger=None)
def linear_over_width_and_height(m: nn.Module, x: Tensor) -> Tensor:
    return x + m.one(x) + m.two(x.transpose(2, 3)).transpose(2, 3)


@net(
    stem=conv(3, 64),
    norm=nn.LayerNorm(64),
    tokens=linear(64, 5),
    back=linear(5, 64),
    features=linear(64, 7),
    out=linear(7, 64),
    head=linear(64, 3),
    larger=None,
)
def mixer_with_as_many_tokens_as_features(m: nn.Module, x: Tensor) -> Tensor:
    y = F.relu(m.stem(x)).flatten(2).transpose(1, 2)
    y = y + m.back(F.gelu(m.tokens(m.norm(y).transpose(1, 2)))).transpose(1, 2)
    y = y + m.out(F.gelu(m.features(m.norm(y))))
    return m.head(y.mean(1))


@between(8, larger=None)
def sum_with_the_transposed(_: nn.Module, x: Tensor) -> Tensor:
    return x + x.transpose(1, 2)


@between(8, larger=None)
def channels_along_width(_: nn.Module, x: Tensor) -> Tensor:
    return x * x.mean((2, 3)).unsqueeze(1).unsqueeze(1)


@between(8, larger=None)
def channels_along_height(_: nn.Module, x: Tensor) -> Tensor:
    return x + x.mean((2, 3))[:, None, :, None].expand(-1, 8, 8, 8) - x.mean(2)[:, None]


@between(8, one=conv(8, 8), deep=conv(8, 8, groups=8), pairs=conv(8, 8, groups=4), larger=None)
def convolutions_over_rows(m: nn.Module, x: Tensor) -> Tensor:
    return x + m.pairs(m.deep(F.relu(m.one(x.permute(0, 2, 1, 3))))).permute(0, 2, 1, 3)


@between(8, one=conv(8, 8), batch=nn.BatchNorm2d(8), slopes=nn.PReLU(8), groups=nn.GroupNorm(2, 8), larger=None)
def norms_over_rows(m: nn.Module, x: Tensor) -> Tensor:
    y = m.slopes(m.batch(m.one(x).transpose(1, 2))).transpose(1, 2)
    return y + m.groups(x.transpose(1, 2)).transpose(1, 2)


@between(8, side=conv(8, 8), larger=None, norm=nn.BatchNorm2d(16))
def batch_norm_of_two_axes(m: nn.Module, x: Tensor) -> Tensor:
    return F.relu(m.norm(torch.cat([x, m.side(x).transpose(1, 2)], 1)))[:, 4:12]


@between(8, row=parameter(8), plane=parameter(8, 8), entries=parameter(8, 8, 8), larger=None)
def tables_of_positions(m: nn.Module, x: Tensor) -> Tensor:
    return ((x + m.row + m.plane).permute(0, 2, 3, 1) + m.entries).permute(0, 3, 1, 2)


@between(8, last=nn.LayerNorm(8), two=nn.LayerNorm((8, 8)), larger=None)
def layer_norms(m: nn.Module, x: Tensor) -> Tensor:
    y = m.last(x) + m.two(x) + m.two(x.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)
    return y + m.two(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@between(8, larger=None)
def a_reshape_that_changes_nothing_at_this_size(_: nn.Module, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, channels, height, width)
    return x + torch.relu(x.reshape(batch, height, width, channels)) + rows


@between(8, mixed=parameter(8, 8), larger=None)
def products(m: nn.Module, x: Tensor) -> Tensor:
    flat = x.flatten(2)
    over_channels = torch.softmax(flat @ flat.transpose(1, 2), -1) @ flat
    return over_channels.view(x.shape) + x @ x.transpose(-1, -2) + x @ m.mixed + m.mixed @ x


@between(8, larger=None)
def softmax_and_normalize_of_rows(_: nn.Module, x: Tensor) -> Tensor:
    y = F.softmax(x.permute(0, 2, 3, 1), 1).permute(0, 3, 1, 2) + F.normalize(x.transpose(1, 2), dim=1).transpose(1, 2)
    return y + x.permute(0, 2, 1, 3).softmax(2).permute(0, 2, 1, 3)


@between(8, larger=None)
def joined_along_other_axes(_: nn.Module, x: Tensor) -> Tensor:
    wide = torch.cat([x.transpose(1, 2), x.transpose(1, 2)], 2).transpose(1, 2)[:, 4:12]
    return wide + torch.stack([x, x.transpose(1, 2)], 1).sum(1) + torch.rot90(x, 1, (1, 2)) + torch.rot90(x, 1, (2, 3))


@between(8, larger=None)
def gated_linear_unit_of_the_last_axis(_: nn.Module, x: Tensor) -> Tensor:
    y = x.transpose(1, 3)
    return F.glu(torch.cat([y, y], 3), 3).transpose(1, 3)


@between(8, larger=None)
def groups_of_one_channel(_: nn.Module, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    y = x.view(batch, 8, channels // 8, height, width).transpose(1, 2).reshape(batch, channels, height, width)
    return y + x.view(batch, 2, 4, height, width).transpose(1, 2).reshape(batch, channels, height, width)


@between(8, larger=None)
def means_over_each_axis(_: nn.Module, x: Tensor) -> Tensor:
    y = x * torch.sigmoid(x.mean(1))[:, None] + x * x.mean(2)[:, :, None] + x * x.mean(2)[:, None]
    return y - x.transpose(1, 2).mean((2, 3))[:, :, None, None].transpose(1, 2)


@between(8, one=conv(8, 8), larger=None)
def means_of_what_may_be_a_constant(m: nn.Module, x: Tensor) -> Tensor:
    y = m.one(x)
    return x + F.softmax(y, 1) + y.mean(1)[:, :, None] + y.amax(1)[:, None] + y.mean((1, 2))[:, None, None]


@between(8, many=nn.MultiheadAttention(64, 2, batch_first=True), larger=None, gap=1e-12)
def attention_over_positions(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2)
    return m.many(y, y, y, need_weights=False)[0].view_as(x)


@between(8, one=conv(8, 8), two=conv(8, 8), norm=nn.BatchNorm2d(16), other=nn.BatchNorm2d(5), larger=None)
def batch_norms_of_rows(m: nn.Module, x: Tensor) -> Tensor:
    both = F.interpolate(torch.cat([m.one(x), m.two(x)], 1), size=(16, 8))
    rows = m.other(F.interpolate(m.one(x), size=(5, 8)).transpose(1, 2))
    return m.norm(both.transpose(1, 2))[:, :8, :8] + rows.mean(1, keepdim=True)[..., :8].mean((2, 3), keepdim=True)


@between(8, one=conv(8, 8), two=conv(8, 8), norm=nn.BatchNorm2d(16), pairs=nn.BatchNorm2d(2), larger=None)
def batch_norms_of_what_two_layers_gave(m: nn.Module, x: Tensor) -> Tensor:
    both = torch.cat([m.one(x), m.two(x)], 1)
    pooled = m.norm(F.max_pool2d(both.flatten(2), 3, 1, 1).view(-1, 16, 8, 8))
    pairs = m.pairs(both.unflatten(1, (8, 2)).transpose(1, 2).flatten(2, 3)).flatten(1, 2)
    return pooled[:, 4:12] + pairs[:, :8, :, None]


@net(
    stem=conv(3, 6),
    token=parameter(1, 1, 6),
    table=parameter(1, 65, 6),
    one=linear(6, 6),
    head=linear(6, 3),
    larger=None,
)
def tokens_joined_along_what_may_be_channels(m: nn.Module, x: Tensor) -> Tensor:
    y = F.relu(m.stem(x)).flatten(2).transpose(1, 2)
    y = torch.cat([m.token.expand(x.shape[0], -1, -1), y], dim=1) + m.table
    return m.head((y + m.one(F.relu(y)))[:, 0])


@between(8, one=conv(8, 6, bias=False), larger=None)
def sum_of_two_axes_of_which_one_may_be_zero(m: nn.Module, x: Tensor) -> Tensor:
    rows = F.interpolate(x, size=(6, 8)).transpose(1, 2)
    return F.interpolate((F.interpolate(m.one(x), size=(8, 8)) + rows).transpose(1, 2), size=(8, 8))
