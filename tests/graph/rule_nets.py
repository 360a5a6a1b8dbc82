"""One tiny network for each rule of the table, beside the micro-nets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from micro_nets import NETS, between, conv, linear, net, parameter
from torch import Tensor, nn
from torch.nn.utils import parametrizations

__all__ = ["NETS"]


@between(6, one=conv(6, 5, dilation=2, padding=2), two=conv(5, 6, 4, stride=2, padding=1))
def dilated_and_strided(m: nn.Module, x: Tensor) -> Tensor:
    return m.two(F.relu(m.one(x)))


@between(6, to=4, one=conv(6, 9, groups=3), two=nn.Conv2d(9, 6, 1, groups=3, bias=False), three=conv(6, 4, groups=2))
def grouped(m: nn.Module, x: Tensor) -> Tensor:
    return m.three(F.relu(m.two(m.one(x))))


@between(4, to=12, one=conv(4, 4, groups=4), two=conv(4, 12, groups=4))
def depthwise_with_multiplier(m: nn.Module, x: Tensor) -> Tensor:
    return m.two(F.relu6(m.one(x)))


@between(4, to=6, one=nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), two=nn.ConvTranspose2d(6, 6, 3, groups=3))
def transposed(m: nn.Module, x: Tensor) -> Tensor:
    return m.two(F.relu(m.one(x)))


@between(
    4,
    to=3,
    weight=parameter(3, 4, 3, 3),
    bias=parameter(3),
    scale=parameter(3),
    mean=torch.zeros(3, dtype=torch.float64),
    variance=torch.ones(3, dtype=torch.float64),
)
def functional_layers(m: nn.Module, x: Tensor) -> Tensor:
    x = F.conv2d(x, m.weight, m.bias, padding=1)
    return F.hardswish(F.batch_norm(x, m.mean, m.variance, m.scale, training=m.training))


@net(
    stem=nn.Conv1d(2, 4, 3, padding=1),
    norm=nn.BatchNorm1d(4),
    pool=nn.AvgPool1d(2),
    up=nn.ConvTranspose1d(4, 5, 2, stride=2),
    body=nn.Conv1d(5, 3, 3, padding=1, dilation=1),
    shapes=((2, 12),),
    larger=((2, 17),),
)
def one_axis(m: nn.Module, x: Tensor) -> Tensor:
    return m.body(F.elu(m.up(m.pool(F.relu(m.norm(m.stem(x))))))).mean(-1)


@net(
    stem=nn.Conv3d(1, 4, 3, padding=1),
    norm=nn.BatchNorm3d(4),
    pool=nn.MaxPool3d(2),
    body=nn.Conv3d(4, 3, 3, padding=1, bias=False),
    up=nn.ConvTranspose3d(3, 4, 2),
    head=linear(4, 2),
    shapes=((1, 4, 4, 4),),
    larger=((1, 4, 6, 5),),
)
def three_axes(m: nn.Module, x: Tensor) -> Tensor:
    x = m.up(F.leaky_relu(m.body(m.pool(F.relu(m.norm(m.stem(x)))))))
    return m.head(F.adaptive_avg_pool3d(x, 1).flatten(1))


@between(6, groups=nn.GroupNorm(3, 6), one=nn.GroupNorm(1, 6), each=nn.GroupNorm(6, 6))
def group_norms(m: nn.Module, x: Tensor) -> Tensor:
    return F.relu(m.groups(x)) + m.one(x) + m.each(x)


@between(6, conv=conv(6, 6), groups=nn.GroupNorm(2, 6))
def group_norm_of_a_stream(m: nn.Module, x: Tensor) -> Tensor:
    return x + m.conv(F.relu(m.groups(x)))


@between(4, all=nn.LayerNorm((4, 8, 8)), last=nn.LayerNorm(8), rms=nn.RMSNorm((8, 8)), larger=None)
def layer_norms(m: nn.Module, x: Tensor) -> Tensor:
    return m.all(x) + m.last(x) + m.rms(x)


@between(4, norm=nn.LayerNorm(4), one=conv(4, 4))
def layer_norm_of_channels(m: nn.Module, x: Tensor) -> Tensor:
    return x + m.one(m.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


@between(
    4, deep=conv(4, 4, groups=4), norm=nn.LayerNorm(4), wide=linear(4, 8), narrow=linear(8, 4), scale=parameter(4, 1, 1)
)
def channels_last_with_layer_scale(m: nn.Module, x: Tensor) -> Tensor:
    y = m.norm(torch.permute(m.deep(x), (0, 2, 3, 1)))
    y = m.narrow(F.gelu(m.wide(y))).permute([0, 3, 1, 2])
    return x + m.scale * y


@between(4, one=nn.PReLU(), each=nn.PReLU(4), slopes=parameter(4))
def prelu(m: nn.Module, x: Tensor) -> Tensor:
    return F.prelu(m.each(m.one(x - 0.3)) - 0.1, m.slopes)


@between(4, plain=nn.InstanceNorm2d(4), scaled=nn.InstanceNorm2d(4, affine=True, track_running_stats=True))
def instance_norm(m: nn.Module, x: Tensor) -> Tensor:
    return m.plain(x) + m.scaled(x)


@between(
    4,
    batch=nn.BatchNorm2d(4, affine=False),
    each=nn.GroupNorm(4, 4, affine=False),
    pairs=nn.GroupNorm(2, 4, affine=False),
    one=conv(4, 4),
)
def norms_without_weights(m: nn.Module, x: Tensor) -> Tensor:
    return m.one(F.relu(m.each(x))) + m.pairs(m.batch(x))


@between(6, down=conv(6, 3, 1), up=conv(3, 6, 1), pool=nn.AdaptiveAvgPool2d(1), gate=nn.Hardsigmoid())
def squeeze_excite(m: nn.Module, x: Tensor) -> Tensor:
    return x * m.gate(m.up(F.relu(m.down(m.pool(x)))))


@between(6, down=linear(6, 3), up=linear(3, 6))
def squeeze_excite_of_features(m: nn.Module, x: Tensor) -> Tensor:
    scale = torch.sigmoid(m.up(F.relu(m.down(x.mean((2, 3))))))
    return x * scale[:, :, None, None] + x * scale.view(x.size(0), -1, 1, 1)


@between(6, to=7, one=conv(3, 4))
def chunk(m: nn.Module, x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=1)
    return torch.cat([m.one(F.relu(first)), second], 1)


@between(7, to=5, one=conv(3, 3))
def split_and_unbind(m: nn.Module, x: Tensor) -> Tensor:
    first, second, third = torch.split(x, (2, 3, 2), dim=-3)
    parts = torch.unbind(first, 1)
    return torch.cat([m.one(second), parts[1].unsqueeze(1) + parts[0][:, None], third[:, :1]], dim=-3)


@between(6, to=9)
def slices(_: nn.Module, x: Tensor) -> Tensor:
    picked = torch.cat([x[:, ::2], x[:, [4, 1]], x.narrow(1, 1, 3), torch.select(x, 1, 5).unsqueeze(1)], 1)
    return F.relu(picked[..., 1:])


@between(4, to=12, one=conv(4, 4, 1), larger=None)
def rearranged(m: nn.Module, x: Tensor) -> Tensor:
    x = torch.roll(torch.flip(x, (1, 3)), 1, 2) + m.one(x.mean((2, 3), keepdim=True)).expand(-1, -1, 8, 8)
    return torch.cat([x.repeat(1, 2, 1, 1), torch.repeat_interleave(F.relu(x), 2, dim=1)[:, 2:6].rot90(2, (2, 3))], 1)


@between(6, one=conv(6, 6, groups=3), shuffle=nn.ChannelShuffle(3))
def channel_shuffle(m: nn.Module, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    y = m.one(x).view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous()
    return m.shuffle(F.relu(y.view(batch, -1, height, width)))


@between(8, to=4, shuffle=nn.PixelShuffle(2), one=conv(2, 4))
def pixel_shuffle(m: nn.Module, x: Tensor) -> Tensor:
    return F.pixel_unshuffle(F.relu(m.shuffle(x)), 2)[:, :4]


@net(stem=conv(3, 4), body=conv(4, 5), head=linear(80, 6), end=linear(6, 3), larger=None)
def flatten(m: nn.Module, x: Tensor) -> Tensor:
    x = F.max_pool2d(F.relu(m.body(F.relu(m.stem(x)))), 2)
    return m.end(F.relu(m.head(torch.flatten(x, 1))))


@net(stem=conv(3, 4), body=conv(4, 5), norm=nn.BatchNorm1d(20), head=linear(20, 3), larger=None)
def view_of_features(m: nn.Module, x: Tensor) -> Tensor:
    x = F.adaptive_max_pool2d(F.relu(m.body(F.relu(m.stem(x)))), 2)
    return m.head(m.norm(x.view(x.size(0), -1)))


# gap: the kernel of a product depends on how its weight lies in memory
@net(stem=conv(3, 4), body=conv(4, 6), token=linear(6, 5), head=linear(5, 3), gap=1e-12)
def permuted_to_tokens(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.body(F.relu(m.stem(x)))).flatten(2).transpose(1, 2)
    return m.head(F.relu(m.token(x)).mean(1))


@between(4)
def means_and_sums(_: nn.Module, x: Tensor) -> Tensor:
    rows = x.mean(3, keepdim=True) + x.sum(dim=(2, 3), keepdim=True) / 64
    return x + rows + x.amax((2, 3), keepdim=True) - torch.std(x, (2, 3), keepdim=True)


@between(4, up=nn.Upsample(scale_factor=2), larger=None)
def interpolate(m: nn.Module, x: Tensor) -> Tensor:
    small = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
    return x + m.up(small) + F.interpolate(small, size=(8, 8), mode="nearest")


@between(4, frame=nn.ReflectionPad2d(1), zeros=nn.ZeroPad2d((1, 0, 1, 0)), one=conv(4, 4, padding=0))
def padding_of_positions(m: nn.Module, x: Tensor) -> Tensor:
    return F.pad(m.one(m.frame(x)), (0, 1), value=0.7) + m.zeros(x)[..., :-1, :]


@between(4, to=6, down=conv(4, 6, stride=2))
def option_a_shortcut(m: nn.Module, x: Tensor) -> Tensor:
    return F.relu(m.down(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1), "constant", 0))


@between(4, act=nn.ReLU(inplace=True), one=conv(4, 4), two=conv(4, 4))
def in_place(m: nn.Module, x: Tensor) -> Tensor:
    y = m.act(x) + m.one(x)
    y += x
    y.mul_(0.7).add_(m.two(y), alpha=2.0)
    return F.relu(y, inplace=True)


@between(4, one=conv(4, 4))
def operators_and_methods(m: nn.Module, x: Tensor) -> Tensor:
    y = 1 - x * 2 + m.one(x).add(x).clamp(-3, 3)
    return torch.sub(y, x, alpha=0.5) / 3 + (-x).exp().sqrt() ** 2 + torch.where(x > 0, x, y)


@net(
    left=conv(3, 4),
    right=conv(1, 4),
    one=conv(4, 5),
    two=conv(5, 4),
    head=linear(4, 3),
    shapes=((3, 8, 8), (1, 8, 8)),
    larger=((3, 9, 7), (1, 9, 7)),
)
def two_inputs(m: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return m.head(F.relu(m.two(F.relu(m.one(m.left(x) + m.right(y))))).mean((2, 3)))


@net(stem=conv(3, 4), body=conv(4, 5), head=linear(5, 3), other=linear(4, 2))
def several_outputs(m: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    x = F.relu(m.stem(x))
    y = F.relu(m.body(x))
    return m.head(y.mean((2, 3))), [m.other(x.mean((2, 3))), y]


@net(stem=conv(3, 4), body=conv(4, 5), head=linear(5, 3))
def outputs_by_name(m: nn.Module, x: Tensor) -> dict[str, Tensor]:
    x = F.relu(m.stem(x))
    y = F.relu(m.body(x))
    return {"logits": m.head(y.mean((2, 3))), "map": x}


@between(
    4,
    position=parameter(1, 4, 8, 8),
    scale=parameter(4, 1, 1),
    single=parameter(1),
    table=torch.ones(1, 4, 1, 1),
    larger=None,
)
def parameters_outside_modules(m: nn.Module, x: Tensor) -> Tensor:
    return (x + m.position) * m.scale + m.single * m.table


@between(4, position=parameter(8, 8), tokens=parameter(64, 4), larger=None)
def parameters_over_positions(m: nn.Module, x: Tensor) -> Tensor:
    x = x * torch.sigmoid(m.position)
    return (x.flatten(2).transpose(1, 2) + m.tokens).transpose(1, 2).unflatten(2, (8, 8))


@between(4, to=3, wide=conv(4, 6, groups=2), down=conv(3, 4, 1), up=conv(4, 6, 1))
def split_attention(m: nn.Module, x: Tensor) -> Tensor:
    x = F.relu(m.wide(x))
    batch, channels, *size = x.shape
    x = x.reshape(batch, 2, channels // 2, *size)
    gap = F.adaptive_avg_pool2d(x.sum(dim=1), 1)
    attention = m.up(F.relu(m.down(gap))).view(batch, 1, 2, -1).transpose(1, 2)
    attention = F.softmax(attention, dim=1).reshape(batch, -1, 1, 1)
    return (x * attention.reshape(batch, 2, channels // 2, 1, 1)).sum(dim=1)


@between(5, one=nn.Conv2d(2, 1, 3, padding=1))
def spatial_attention(m: nn.Module, x: Tensor) -> Tensor:
    both = torch.cat([x.max(dim=1, keepdim=True).values, torch.mean(x, 1, keepdim=True)], dim=1)
    return x * torch.sigmoid(m.one(both))


@net(
    stem=conv(3, 4),
    attention=nn.MultiheadAttention(4, 2, batch_first=True),
    hidden=linear(4, 6),
    head=linear(6, 3),
    gap=1e-12,
)
def attention(m: nn.Module, x: Tensor) -> Tensor:
    x = F.max_pool2d(F.relu(m.stem(x)), 2).flatten(2).transpose(1, 2)
    x = x + m.attention(x, x, x, need_weights=False)[0]
    return m.head(F.gelu(m.hidden(x)).mean(1))


@net(stem=conv(3, 4), qkv=linear(4, 12), out=linear(4, 4), hidden=linear(4, 6), head=linear(6, 3))
def attention_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    x = F.max_pool2d(F.relu(m.stem(x)), 2).flatten(2).transpose(1, 2)
    batch, tokens, features = x.shape
    query, key, value = m.qkv(x).reshape(batch, tokens, 3, 2, features // 2).permute(2, 0, 3, 1, 4)
    y = torch.softmax(query @ key.transpose(-2, -1) * 0.7, dim=-1) @ value
    y = y + F.scaled_dot_product_attention(query, key, value)
    x = x + m.out(y.transpose(1, 2).reshape(batch, tokens, features))
    return m.head(F.relu(m.hidden(x)).mean(1))


@between(4, one=conv(4, 4), slope=parameter(4))
def less_common_functions(m: nn.Module, x: Tensor) -> Tensor:
    x = F.instance_norm(x, weight=m.slope) + F.softmin(x, dim=3) * torch.full((x.shape[0], 1, 1, 1), 2.0)
    x = torch.selu(m.one(x)).mT.mT + F.logsigmoid(torch.zeros_like(x)) + x.new_ones(x.shape[0], 1, 1, 1)
    return x / torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True) + torch.logsumexp(x, (2, 3), keepdim=True)


@between(4, scale=parameter(1, 1, 1, 4), one=linear(4, 4))
def response_norm_of_tokens(m: nn.Module, x: Tensor) -> Tensor:
    x = m.one(x.permute(0, 2, 3, 1))
    size = x.norm(p=2, dim=(1, 2), keepdim=True)
    return (x + m.scale * x * (size / (size.mean(dim=-1, keepdim=True) + 1e-6))).permute(0, 3, 1, 2)


@between(4, one=conv(4, 4))
def stack(m: nn.Module, x: Tensor) -> Tensor:
    return F.relu(torch.stack([x, m.one(x)], 1)).mean(1) + torch.stack([x, m.one(x)], dim=-1).amax(-1)


@between(6, to=3, one=conv(6, 6), unit=nn.GLU(1))
def gated_linear_units(m: nn.Module, x: Tensor) -> Tensor:
    return F.glu(m.one(x), dim=1) + m.unit(x) + F.glu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@between(4, norm=nn.LocalResponseNorm(3))
def across_channels(m: nn.Module, x: Tensor) -> Tensor:
    return m.norm(x) + F.softmax(x, 1) + F.normalize(x, dim=1) + x.softmax(-1)


@between(4, mixed=parameter(4, 4), larger=None)
def einsum(m: nn.Module, x: Tensor) -> Tensor:
    return torch.einsum("oc,bchw->bohw", m.mixed, torch.einsum("bchw,bcvw->bchv", x, torch.relu(x)))


@between(
    4,
    one=parametrizations.weight_norm(conv(4, 5)),
    two=parametrizations.weight_norm(conv(5, 4), dim=1),
    gap=1e-12,  # the weight is computed once, and not by the layer
)
def weight_norm(m: nn.Module, x: Tensor) -> Tensor:
    return m.two(F.relu(m.one(x)))


@between(
    4,
    max=nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    avg=nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
    power=nn.LPPool2d(2, 2),
    one=conv(4, 4),
)
def pools(m: nn.Module, x: Tensor) -> Tensor:
    x = m.one(F.relu(m.max(x) + m.avg(x)))
    return F.relu(m.power(x.abs())) + F.avg_pool2d(x, 2) + F.lp_pool2d(x.abs(), 2, 2) + F.adaptive_max_pool2d(x, 1)


@between(4, to=16, larger=None, one=conv(16, 16))
def space_to_depth(m: nn.Module, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.view(batch, channels, height // 2, 2, width // 2, 2)
    return m.one(x.permute(0, 3, 5, 1, 2, 4).reshape(batch, channels * 4, height // 2, width // 2))


@between(4, one=conv(4, 4), larger=None)
def masks_made_into_numbers(m: nn.Module, x: Tensor) -> Tensor:
    y = m.one(x)
    rows = (y.mean(1, keepdim=True) > 0) & (x > 0)
    steps = (3 * y).long().to(x.dtype) + (~y.to(torch.bool)).float() + (y.relu().bool() & (x > 0)).int()
    return steps + y * rows.float() + (~(y > 0.1)).to(x.dtype) + (y.flatten(2) > 0).type_as(x).view_as(x)
