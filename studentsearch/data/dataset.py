"""Labelled images as frozen facts: uint8 pixels, in memory or in a mapped file, and the classes they show."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field

import torch
from torch import Tensor

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.mapped import MappedPixels, Pixels
from studentsearch.errors import InputFileError
from studentsearch.records.normalization import Normalization

_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """Images and their classes.

    Attributes:
        pixels: `[N, C, H, W]`, uint8, 0 is black; those of a mapped file are read where they are indexed.
        labels: `[N]`, int64, the index of each image's class; on the CPU where pixels are mapped.
    """

    pixels: Pixels
    labels: Tensor

    def __post_init__(self) -> None:
        if isinstance(self.pixels, Tensor) and (self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4):
            raise InputFileError(
                f"pixels are {self.pixels.dtype} of shape {tuple(self.pixels.shape)}, expected torch.uint8 of shape "
                f"[N, C, H, W]: scale them to 0..255 and convert"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.pixels.shape[:1]:
            raise InputFileError(
                f"labels are {self.labels.dtype} of shape {tuple(self.labels.shape)}, expected torch.int64 of shape "
                f"[{len(self.pixels)}]: one class index an image"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: Tensor) -> "Images":
        """The images at `indices`, in that order.

        Args:
            indices: `[M]`, int64.

        Returns:
            M images; in the same file where pixels are mapped, which copies none of them.
        """
        pixels = self.pixels.subset(indices) if isinstance(self.pixels, MappedPixels) else self.pixels[indices]
        return Images(pixels=pixels, labels=self.labels[indices])

    def to(self, device: torch.device | str) -> "Images":
        """The same images on another device.

        Args:
            device: Where they shall lie.

        Returns:
            The images there; these themselves where pixels are mapped, since such images are sent batch by batch.
        """
        if isinstance(self.pixels, MappedPixels):
            return self
        return Images(pixels=self.pixels.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Training images, test images, and the facts that training needs about them.

    Attributes:
        name: What `open_dataset` takes to open it again.
        classes: The names of the classes; a label is an index into them.
        train: Training images.
        test: Test images.
        mean: Mean of each channel, in 0..1.
        std: Standard deviation of each channel, in 0..1.
        augmentation: How these images are usually varied in training.
        known_fingerprint: The fingerprint where it is known, since computing it reads every pixel.
        fingerprint: SHA-256 over shapes, pixels, labels and classes: equal exactly where the data are equal.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation
    known_fingerprint: InitVar[str | None] = None
    fingerprint: str = field(init=False)

    def __post_init__(self, known_fingerprint: str | None) -> None:
        for part, images in (("train", self.train), ("test", self.test)):
            _require_labelled(images, f"{self.name} ({part})", len(self.classes))
        if self.train.pixels.shape[1:] != self.test.pixels.shape[1:]:
            raise InputFileError(
                f"{self.name}: train images are {list(self.train.pixels.shape[1:])}, test images "
                f"{list(self.test.pixels.shape[1:])}: expected one [C, H, W] for both"
            )
        if not len(self.mean) == len(self.std) == self.image_shape[0]:
            raise InputFileError(
                f"{self.name}: {len(self.mean)} means and {len(self.std)} standard deviations, expected one a channel, "
                f"{self.image_shape[0]}"
            )
        fingerprint = known_fingerprint or _fingerprint(self.classes, (self.train, self.test))
        object.__setattr__(self, "fingerprint", fingerprint)

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train.pixels.shape
        return channels, height, width


def channel_statistics(images: Images) -> Normalization:
    """The mean and the standard deviation of each channel of the images, in one pass over the pixels.

    A channel that never changes counts as one grey level, so that pixels can be divided by the figure.

    Args:
        images: At least one image.

    Returns:
        Both, one figure a channel.
    """
    levels = _histograms(images)
    means = [_moment(counts, power=1, around=0.0) for counts in levels]
    stds = [_moment(counts, power=2, around=mean) ** 0.5 for counts, mean in zip(levels, means, strict=True)]
    return Normalization(
        mean=tuple(round(mean / 255, 4) for mean in means),
        std=tuple(round((std or 1.0) / 255, 4) for std in stds),
    )


def channel_mean(images: Images) -> tuple[float, ...]:
    """The mean of each channel, see `channel_statistics`."""
    return channel_statistics(images).mean


def channel_std(images: Images) -> tuple[float, ...]:
    """The standard deviation of each channel, see `channel_statistics`."""
    return channel_statistics(images).std


def _histograms(images: Images) -> Tensor:
    """How often each grey level occurs, `[C, 256]`: integers, so exact however many images there are."""
    counts = torch.zeros((images.pixels.shape[1], 256), dtype=torch.int64)
    for chunk in _chunks(images.pixels):
        channels = chunk.transpose(0, 1)
        counts += torch.stack([torch.bincount(channel.reshape(-1), minlength=256).cpu() for channel in channels])
    return counts


def _chunks(pixels: Pixels) -> Iterator[Tensor]:
    """All images in order, as many at once as are cheap to hold."""
    num_images = max(1, _CHUNK_BYTES // max(1, math.prod(pixels.shape[1:])))
    for start in range(0, len(pixels), num_images):
        yield pixels[start : start + num_images]


def _moment(counts: Tensor, *, power: int, around: float) -> float:
    levels = torch.arange(256, dtype=torch.float64)
    return float(((levels - around) ** power * counts).sum() / counts.sum())


def _require_labelled(images: Images, what: str, num_classes: int) -> None:
    if len(images) == 0:
        raise InputFileError(f"{what}: no images, expected at least one")
    low, high = int(images.labels.min()), int(images.labels.max())
    if low < 0 or high >= num_classes:
        raise InputFileError(
            f"{what}: labels run from {low} to {high}, expected 0 to {num_classes - 1} for {num_classes} classes"
        )


def _fingerprint(classes: tuple[str, ...], parts: tuple[Images, ...]) -> str:
    digest = hashlib.sha256(repr(classes).encode())
    for part in parts:
        digest.update(repr(tuple(part.pixels.shape)).encode())
        for chunk in _chunks(part.pixels):
            digest.update(chunk.cpu().contiguous().numpy().data)
        digest.update(part.labels.cpu().contiguous().numpy().astype("<i8").data)
    return digest.hexdigest()
