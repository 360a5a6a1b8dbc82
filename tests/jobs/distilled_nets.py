"""Small networks of a user's own, for `python:distilled_nets:NAME`."""

from torch import nn


def _stage(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def wide(num_classes: int, in_channels: int) -> nn.Module:
    """Three stages, none as wide as a ResNet's."""
    return nn.Sequential(
        *_stage(in_channels, 6),
        nn.MaxPool2d(2),
        *_stage(6, 7),
        nn.MaxPool2d(2),
        *_stage(7, 9),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(9, num_classes),
    )


def one_pooling(num_classes: int, in_channels: int) -> nn.Module:
    """Two stages."""
    return nn.Sequential(
        *_stage(in_channels, 6),
        nn.MaxPool2d(2),
        *_stage(6, 7),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(7, num_classes),
    )
