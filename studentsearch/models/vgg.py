"""VGG for small images: BatchNorm after every convolution, one linear layer in place of three.

Source:
    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, table 1.
"""

from collections import OrderedDict
from collections.abc import Iterator

from torch import nn

_WIDTHS = (64, 128, 256, 512, 512)
_CONVS: dict[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg(*, depth: int, num_classes: int, in_channels: int = 3) -> nn.Module:
    """VGG with BatchNorm for images of 32x32 or more; what is left after five halvings is averaged.

    Args:
        depth: One of `VGG_DEPTHS`; its three linear layers are one here.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.

    Returns:
        A network with fresh weights, in training mode.
    """
    return vgg_of(_CONVS[depth], num_classes=num_classes, in_channels=in_channels)


def vgg_of(num_convs: tuple[int, ...], *, num_classes: int, in_channels: int = 3) -> nn.Module:
    """VGG with BatchNorm and any number of convolutions.

    Args:
        num_convs: Convolutions of each of the five stages, >= 1.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.

    Returns:
        A network with fresh weights, in training mode.
    """
    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            features=nn.Sequential(*_features(num_convs, in_channels)),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(_WIDTHS[-1], num_classes),
        )
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def _features(num_convs: tuple[int, ...], in_channels: int) -> Iterator[nn.Module]:
    for width, count in zip(_WIDTHS, num_convs, strict=True):
        for _ in range(count):
            yield nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False)
            yield nn.BatchNorm2d(width)
            yield nn.ReLU(inplace=True)
            in_channels = width
        yield nn.MaxPool2d(kernel_size=2)
