"""DenseNet-BC for small images, under torchvision's parameter names.

Source:
    Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017, section 4.2.
"""

from torch import nn
from torchvision.models.densenet import DenseNet

from studentsearch.errors import UsageError

_BOTTLENECK = 4
_NUM_BLOCKS = 3
_CONVS_PER_LAYER = 2
_LAYERS_OUTSIDE_BLOCKS = 4  # the stem, two transitions, the classifier


def densenet_bc(*, depth: int, growth: int, num_classes: int, in_channels: int = 3) -> nn.Module:
    """DenseNet-BC with three dense blocks and compression 0.5, for images of about 32x32.

    Takes `[B, in_channels, H, W]` with H and W >= 4, gives logits `[B, num_classes]`.

    Args:
        depth: Layers that have weights, 6 n + 4.
        growth: Feature maps that each layer adds, >= 1.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.

    Returns:
        A network with fresh weights, in training mode.

    Raises:
        UsageError: No such network has this depth or growth; choose the depth that the message names.
    """
    per_block, rest = divmod(depth - _LAYERS_OUTSIDE_BLOCKS, _NUM_BLOCKS * _CONVS_PER_LAYER)
    if rest or per_block < 1:
        nearest = max(depth - rest, _LAYERS_OUTSIDE_BLOCKS + _NUM_BLOCKS * _CONVS_PER_LAYER)
        raise UsageError(f"a DenseNet-BC of depth {depth} does not exist; expected 6 n + 4 layers, such as {nearest}")
    if growth < 1:
        raise UsageError(f"a DenseNet-BC of growth {growth} does not exist; expected at least 1, such as 12")
    return _densenet(growth=growth, blocks=(per_block,) * _NUM_BLOCKS, num_classes=num_classes, in_channels=in_channels)


def densenet_digits(*, num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """A DenseNet-BC of about a million multiply-accumulates for the 8x8 grey digits.

    Takes `[B, in_channels, 8, 8]`, gives logits `[B, num_classes]`.

    Args:
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.

    Returns:
        A network with fresh weights, in training mode.
    """
    return _densenet(growth=8, blocks=(4, 4), num_classes=num_classes, in_channels=in_channels)


def _densenet(*, growth: int, blocks: tuple[int, ...], num_classes: int, in_channels: int) -> nn.Module:
    network: nn.Module = DenseNet(
        growth_rate=growth,
        block_config=blocks,
        num_init_features=2 * growth,
        bn_size=_BOTTLENECK,
        drop_rate=0,
        num_classes=num_classes,
    )
    features = network.get_submodule("features")
    stem = nn.Conv2d(in_channels, 2 * growth, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight)
    features.conv0 = stem
    for name in ("norm0", "relu0", "pool0"):  # small images are not made smaller before the first block
        delattr(features, name)
    return network
