"""Networks of the cross-layer distillation paper that no other family has, as docs/reference/pairs.md reads them.

Source:
    Chou, Chiu and Liao, "Cross-layer knowledge distillation with KL divergence and offline ensemble for compressing
    deep neural network", APSIPA Transactions on Signal and Information Processing 10, 2021, e18, section IV.
"""

from torch import nn

from studentsearch.models.mobilenet import SeparableBlock, mobilenet_of
from studentsearch.models.vgg import vgg_of

_VGG_CONVS = {6: 1, 11: 2}
# Blocks that are 64, 128, 256, 512 and 1024 wide.
_MOBILENET_BLOCKS = {9: (0, 1, 1, 3, 2), 16: (1, 2, 2, 6, 3)}
_MOBILENET_WIDTHS = (64, 128, 256, 512, 1024)
_HALVED_WIDTHS = (128, 256, 512)


def cross_layer_vgg(*, depth: int, num_classes: int, in_channels: int = 3) -> nn.Module:
    """Five stages of one or two 3x3 convolutions, 64 to 512 wide, and one linear layer.

    Args:
        depth: One of `STAGED_VGG_DEPTHS`.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.

    Returns:
        A network with fresh weights, in training mode.
    """
    return vgg_of((_VGG_CONVS[depth],) * 5, num_classes=num_classes, in_channels=in_channels)


def cross_layer_mobilenet(*, depth: int, num_classes: int, in_channels: int = 3) -> nn.Module:
    """A stem, 7 or 14 separable blocks and one linear layer, for images of 64x64, which are halved three times.

    Args:
        depth: One of `MOBILENET_DEPTHS`.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.

    Returns:
        A network with fresh weights, in training mode.
    """
    blocks = tuple(
        SeparableBlock(width=width, stride=2 if position == 0 and width in _HALVED_WIDTHS else 1)
        for width, count in zip(_MOBILENET_WIDTHS, _MOBILENET_BLOCKS[depth], strict=True)
        for position in range(count)
    )
    return mobilenet_of(blocks, num_classes=num_classes, in_channels=in_channels)
