"""Networks and images of which nothing good can come, for `python:campaigns.hopeless_nets:NAME`."""

import torch
from torch import Tensor, nn

from studentsearch.data.augment import Augmentation
from studentsearch.data.dataset import Dataset, Images


def small(num_classes: int = 10, in_channels: int = 1) -> nn.Sequential:
    """Two convolutions with batch normalization."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, num_classes),
    )


def plain(num_classes: int = 10, in_channels: int = 1) -> nn.Sequential:
    """The same without batch normalization."""
    return nn.Sequential(*(layer for layer in small(num_classes, in_channels) if not isinstance(layer, nn.BatchNorm2d)))


def weights(kind: str) -> dict[str, Tensor]:
    """Weights of `small` that cannot teach.

    Args:
        kind: `nan`, `infinite statistics`, `huge`, `zero`, `one class` or `untrained`.

    Returns:
        By name.
    """
    torch.manual_seed(0)
    state = small().state_dict()
    match kind:
        case "nan":
            state["4.weight"][0, 0, 0, 0] = torch.nan
        case "infinite statistics":
            state["1.running_var"][2] = torch.inf
        case "huge":
            state["0.weight"] *= 1e30
            state["9.weight"] *= 1e30
        case "zero":
            state["9.weight"] *= 0
        case "one class":
            state["9.bias"][3] = 1e4
    return state


def equal_images() -> Dataset:
    """Ten classes whose images are all the same."""
    labels = torch.arange(400) % 10
    pixels = torch.full((400, 1, 8, 8), 100, dtype=torch.uint8)
    return _dataset("equal", Images(pixels=pixels, labels=labels))


def noise_images() -> Dataset:
    """Ten classes of images that have nothing to do with them."""
    labels = torch.arange(400) % 10
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (400, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return _dataset("noise", Images(pixels=pixels, labels=labels[torch.randperm(400, generator=generator)]))


def _dataset(name: str, images: Images) -> Dataset:
    return Dataset(
        name=name,
        train=images,
        test=images,
        classes=tuple(str(number) for number in range(10)),
        mean=(0.5,),
        std=(0.25,),
        augmentation=Augmentation(),
    )
