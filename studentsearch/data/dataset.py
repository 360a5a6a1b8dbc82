"""Labelled pictures as frozen facts: uint8 pixels that stay in memory, and the classes they show."""

import hashlib
from dataclasses import dataclass, field

import torch
from torch import Tensor

from studentsearch.data.augment import Augmentation
from studentsearch.errors import InputFileError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """Pictures and their classes.

    Attributes:
        pixels: `[N, C, H, W]`, uint8, 0 is black.
        labels: `[N]`, int64, the index of each picture's class.
    """

    pixels: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4:
            raise InputFileError(
                f"pixels are {self.pixels.dtype} of shape {tuple(self.pixels.shape)}, expected torch.uint8 of shape "
                f"[N, C, H, W]: scale them to 0..255 and convert"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.pixels.shape[:1]:
            raise InputFileError(
                f"labels are {self.labels.dtype} of shape {tuple(self.labels.shape)}, expected torch.int64 of shape "
                f"[{len(self.pixels)}]: one class index a picture"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: Tensor) -> "Images":
        """The pictures at `indices`, in that order.

        Args:
            indices: `[M]`, int64.

        Returns:
            M pictures.
        """
        return Images(pixels=self.pixels[indices], labels=self.labels[indices])

    def to(self, device: torch.device | str) -> "Images":
        """The same pictures on another device.

        Args:
            device: Where they shall lie.

        Returns:
            The pictures there.
        """
        return Images(pixels=self.pixels.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Pictures to learn from, pictures to judge by, and the facts that training needs about them.

    Attributes:
        name: What `open_dataset` takes to open it again.
        classes: The names of the classes; a label is an index into them.
        train: Pictures to learn from.
        test: Pictures to judge by.
        mean: Mean of each channel, in 0..1.
        std: Standard deviation of each channel, in 0..1.
        augmentation: How these pictures are usually varied in training.
        fingerprint: SHA-256 over shapes, pixels, labels and classes: equal exactly where the data are equal.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        for part, images in (("train", self.train), ("test", self.test)):
            _require_labelled(images, f"{self.name} ({part})", len(self.classes))
        if self.train.pixels.shape[1:] != self.test.pixels.shape[1:]:
            raise InputFileError(
                f"{self.name}: train pictures are {list(self.train.pixels.shape[1:])}, test pictures "
                f"{list(self.test.pixels.shape[1:])}: expected one [C, H, W] for both"
            )
        if not len(self.mean) == len(self.std) == self.image_shape[0]:
            raise InputFileError(
                f"{self.name}: {len(self.mean)} means and {len(self.std)} standard deviations, expected one a channel, "
                f"{self.image_shape[0]}"
            )
        object.__setattr__(self, "fingerprint", _fingerprint(self.classes, (self.train, self.test)))

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture."""
        _, channels, height, width = self.train.pixels.shape
        return channels, height, width


def channel_mean(images: Images) -> tuple[float, ...]:
    """The mean of each channel of the pictures.

    Args:
        images: At least one picture.

    Returns:
        One figure a channel in 0..1, rounded to 4 digits.
    """
    return tuple(round(_moment(counts, power=1, around=0.0) / 255, 4) for counts in _histograms(images))


def channel_std(images: Images) -> tuple[float, ...]:
    """The standard deviation of each channel of the pictures.

    A channel that never changes counts as one grey level, so that pixels can be divided by the figure.

    Args:
        images: At least one picture.

    Returns:
        One figure a channel in 0..1, rounded to 4 digits.
    """
    figures = []
    for counts in _histograms(images):
        variance = _moment(counts, power=2, around=_moment(counts, power=1, around=0.0))
        figures.append(round((variance**0.5 or 1.0) / 255, 4))
    return tuple(figures)


def _histograms(images: Images) -> list[Tensor]:
    """How often each grey level occurs, `[256]` a channel: integers, so exact however many pictures there are."""
    channels = images.pixels.transpose(0, 1)
    return [torch.bincount(channel.reshape(-1), minlength=256).cpu() for channel in channels]


def _moment(counts: Tensor, *, power: int, around: float) -> float:
    levels = torch.arange(256, dtype=torch.float64)
    return float(((levels - around) ** power * counts).sum() / counts.sum())


def _require_labelled(images: Images, what: str, num_classes: int) -> None:
    if len(images) == 0:
        raise InputFileError(f"{what}: no pictures, expected at least one")
    low, high = int(images.labels.min()), int(images.labels.max())
    if low < 0 or high >= num_classes:
        raise InputFileError(
            f"{what}: labels run from {low} to {high}, expected 0 to {num_classes - 1} for {num_classes} classes"
        )


def _fingerprint(classes: tuple[str, ...], parts: tuple[Images, ...]) -> str:
    digest = hashlib.sha256(repr(classes).encode())
    for part in parts:
        digest.update(repr(tuple(part.pixels.shape)).encode())
        digest.update(part.pixels.cpu().contiguous().numpy().data)
        digest.update(part.labels.cpu().contiguous().numpy().astype("<i8").data)
    return digest.hexdigest()
