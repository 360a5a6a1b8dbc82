"""MobileNet and MobileNetV2, their first halvings left out where images are small.

Source:
    Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017, table 1;
    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, table 2.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn
from torchvision.models.mobilenetv2 import MobileNetV2

_NUM_HALVINGS = 5
_FIRST_WIDTH = 32
# Output width of each depthwise separable block, and whether the image is halved there.
_BLOCKS = (
    (64, False),
    (128, True),
    (128, False),
    (256, True),
    (256, False),
    (512, True),
    *((512, False),) * 5,
    (1024, True),
    (1024, False),
)
# Expansion, width, blocks, and whether the image is halved there.
_INVERTED_RESIDUALS = (
    (1, 16, 1, False),
    (6, 24, 2, True),
    (6, 32, 3, True),
    (6, 64, 4, True),
    (6, 96, 3, False),
    (6, 160, 3, True),
    (6, 320, 1, False),
)


def mobilenet(*, num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """MobileNet of width 1.

    Args:
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.
        image_size: Shorter side of the images; decides which halvings are left out.

    Returns:
        A network with fresh weights, in training mode.
    """
    first, *later = _strides(image_size)
    strides = iter(later)
    blocks = tuple(
        SeparableBlock(width=width, stride=next(strides) if is_halved else 1) for width, is_halved in _BLOCKS
    )
    return mobilenet_of(blocks, num_classes=num_classes, in_channels=in_channels, stem_stride=first)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparableBlock:
    """A depthwise convolution of 3x3 and a pointwise one, BatchNorm and ReLU behind each.

    Attributes:
        width: Its output channels.
        stride: Of the depthwise convolution.
    """

    width: int
    stride: int = 1


def mobilenet_of(
    blocks: tuple[SeparableBlock, ...], *, num_classes: int, in_channels: int = 3, stem_stride: int = 1
) -> nn.Module:
    """A stem 32 channels wide, separable blocks, and one linear layer on the averaged map.

    Args:
        blocks: The blocks in order, at least one.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.
        stem_stride: Stride of the stem.

    Returns:
        A network with fresh weights, in training mode.
    """
    features = [_convolution(in_channels, _FIRST_WIDTH, stride=stem_stride)]
    width = _FIRST_WIDTH
    for block in blocks:
        depthwise = _convolution(width, width, stride=block.stride, groups=width)
        features.append(nn.Sequential(*depthwise, *_convolution(width, block.width, kernel_size=1)))
        width = block.width
    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=nn.Sequential(*features),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(width, num_classes),
        )
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def mobilenet_v2(*, num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """MobileNetV2 of width 1, built by torchvision.

    Args:
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.
        image_size: Shorter side of the images; decides which halvings are left out.

    Returns:
        A network with fresh weights, in training mode.
    """
    first, *later = _strides(image_size)
    strides = iter(later)
    setting = [
        [expansion, width, num_blocks, next(strides) if is_halved else 1]
        for expansion, width, num_blocks, is_halved in _INVERTED_RESIDUALS
    ]
    network: nn.Module = MobileNetV2(num_classes=num_classes, inverted_residual_setting=setting)
    stem = nn.Conv2d(in_channels, _FIRST_WIDTH, kernel_size=3, stride=first, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out")
    network.get_submodule("features.0").register_module("0", stem)
    return network


def _strides(image_size: int) -> list[int]:
    """Strides of the five places that halve an image of 224; the first ones do not halve a small image."""
    # What is left is a map of about 4x4: three halvings at 32x32, four at 64x64, all five from 128x128 on.
    num_kept = min(max((image_size // 4).bit_length() - 1, 3), _NUM_HALVINGS)
    return [1] * (_NUM_HALVINGS - num_kept) + [2] * num_kept


def _convolution(
    in_width: int, out_width: int, *, kernel_size: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_width, out_width, kernel_size, stride=stride, padding=kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_width),
        nn.ReLU(inplace=True),
    )
