"""Residual networks for small images: He et al.'s three-stage CIFAR ResNets, and ImageNet's with a small stem.

Source:
    He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, sections 3.3 and 4.2.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from studentsearch.errors import UsageError
from studentsearch.models.names import CIFAR_DEPTHS

_WIDTHS = (16, 32, 64)
_CONVS_PER_BLOCK = 2
_LAYERS_OUTSIDE_BLOCKS = 2  # the stem and the classifier
_IMAGENET_BLOCKS: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, ...]]] = {
    10: (BasicBlock, (1, 1, 1, 1)),
    18: (BasicBlock, (2, 2, 2, 2)),
    50: (Bottleneck, (3, 4, 6, 3)),
}


class PaddedShortcut(nn.Module):
    """Option A: every `stride`-th position, and zeros for the channels that the block adds, half before, half after.

    Takes `[B, C, H, W]`, gives `[B, C + num_added, H / stride, W / stride]`; has no weights.
    """

    def __init__(self, *, num_added: int, stride: int) -> None:
        """Keep the two sizes.

        Args:
            num_added: Zero channels, even.
            stride: Step between the positions kept.
        """
        super().__init__()
        self.padding = (0, 0, 0, 0, num_added // 2, num_added - num_added // 2)
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        """The shortcut's end of the addition."""
        return F.pad(features[:, :, :: self.stride, :: self.stride], self.padding)


class CifarResNet(nn.Module):
    """Three stages of basic blocks, 16, 32 and 64 channels wide, under torchvision's parameter names."""

    def __init__(self, *, num_blocks: int, num_classes: int, in_channels: int, has_projections: bool) -> None:
        """Draw fresh weights.

        Args:
            num_blocks: Basic blocks a stage.
            num_classes: Logits.
            in_channels: Channels of the image.
            has_projections: Whether a stage's first shortcut is a convolution (option B) or weightless (option A).
        """
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, _WIDTHS[0], kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(_WIDTHS[0], _WIDTHS[0], num_blocks, has_projections=has_projections)
        self.layer2 = _stage(_WIDTHS[0], _WIDTHS[1], num_blocks, has_projections=has_projections)
        self.layer3 = _stage(_WIDTHS[1], _WIDTHS[2], num_blocks, has_projections=has_projections)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(_WIDTHS[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[B, num_classes]` of images `[B, in_channels, H, W]`."""
        features = self.relu(self.bn1(self.conv1(images)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.fc(self.avgpool(features).flatten(1))
        return logits


def cifar_resnet(*, depth: int, num_classes: int, in_channels: int = 3, has_projections: bool = False) -> nn.Module:
    """He et al.'s ResNet for images of about 32x32.

    Args:
        depth: Layers that have weights, 6 n + 2.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.
        has_projections: Option B (a 1x1 convolution where the width changes) in place of the paper's option A.

    Returns:
        A network with fresh weights, in training mode.

    Raises:
        UsageError: No such network has this depth; choose the depth that the message names.
    """
    per_stage, rest = divmod(depth - _LAYERS_OUTSIDE_BLOCKS, len(_WIDTHS) * _CONVS_PER_BLOCK)
    if rest or per_stage < 1:
        nearest = max(depth - rest, CIFAR_DEPTHS[0])
        raise UsageError(f"a CIFAR ResNet of depth {depth} does not exist; expected 6 n + 2 layers, such as {nearest}")
    return CifarResNet(
        num_blocks=per_stage, num_classes=num_classes, in_channels=in_channels, has_projections=has_projections
    )


def imagenet_resnet(*, depth: int, num_classes: int, in_channels: int = 3) -> nn.Module:
    """ImageNet's ResNet, built by torchvision, with a stem for small images: a 3x3 convolution and no pooling.

    Args:
        depth: One of `IMAGENET_DEPTHS`.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.

    Returns:
        A network with fresh weights, in training mode.
    """
    block, num_blocks = _IMAGENET_BLOCKS[depth]
    network: nn.Module = ResNet(block, list(num_blocks), num_classes=num_classes)
    stem = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    network.conv1 = stem
    network.maxpool = nn.Identity()
    return network


def _stage(in_width: int, width: int, num_blocks: int, *, has_projections: bool) -> nn.Sequential:
    stride = width // in_width
    rest = (BasicBlock(width, width) for _ in range(num_blocks - 1))
    shortcut: nn.Module | None = None
    if width != in_width and has_projections:
        projection = nn.Conv2d(in_width, width, kernel_size=1, stride=stride, bias=False)
        shortcut = nn.Sequential(projection, nn.BatchNorm2d(width))
    elif width != in_width:
        shortcut = PaddedShortcut(num_added=width - in_width, stride=stride)
    return nn.Sequential(BasicBlock(in_width, width, stride=stride, downsample=shortcut), *rest)
