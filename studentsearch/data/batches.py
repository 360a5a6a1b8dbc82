"""Batches as a pure function of seed, phase and step, and the same images in order for evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from studentsearch.data.augment import augment
from studentsearch.data.augmentation import Augmentation
from studentsearch.data.dataset import Images
from studentsearch.data.transfer import send
from studentsearch.errors import UsageError
from studentsearch.randomness import generator
from studentsearch.records.normalization import Normalization


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """What a network sees at once.

    Attributes:
        inputs: `[B, C, H, W]`, normalized floats.
        labels: `[B]`, int64.
    """

    inputs: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Training images split in two.

    Attributes:
        train: Training images.
        held_out: Images kept aside, to choose by.
    """

    train: Images
    held_out: Images


def normalize(pixels: Tensor, normalization: Normalization, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels as a network takes them: in 0..1, less the mean, over the standard deviation.

    Args:
        pixels: `[B, C, H, W]`, uint8.
        normalization: One mean and standard deviation a channel.
        dtype: A floating type.

    Returns:
        `[B, C, H, W]` of `dtype` on the device of `pixels`, channels last in memory where C >= 3.

    Raises:
        UsageError: If the images have another number of channels than the normalization.
    """
    channels = pixels.shape[1]
    if channels != len(normalization.mean):
        raise UsageError(
            f"the images have {channels} channels, the normalization {len(normalization.mean)}: give one mean "
            f"and one standard deviation a channel"
        )
    mean = torch.tensor(normalization.mean, dtype=torch.float64).view(1, channels, 1, 1)
    std = torch.tensor(normalization.std, dtype=torch.float64).view(1, channels, 1, 1)
    scale = send((1 / (255 * std)).float(), pixels.device)
    offset = send((-mean / std).float(), pixels.device)
    layout = torch.channels_last if channels >= 3 else torch.contiguous_format
    return pixels.to(torch.float32, memory_format=layout).mul_(scale).add_(offset).to(dtype)


class Batches:
    """Shuffled, varied training batches; the batch of a step depends on seed, phase and step alone."""

    def __init__(
        self,
        images: Images,
        *,
        batch_size: int,
        seed: int,
        phase: str,
        augmentation: Augmentation,
        normalization: Normalization,
        device: torch.device | str,
    ) -> None:
        """Put the images on the device, as uint8; those of a mapped file follow batch by batch.

        Args:
            images: Training images.
            batch_size: Images a batch; all of them where there are fewer.
            seed: The run's seed.
            phase: The phase of the run, so that two phases see different orders.
            augmentation: How images are varied.
            normalization: How pixels become floats.
            device: Where batches are made.

        Raises:
            UsageError: If the batch size is not positive or there are no images.
        """
        if batch_size < 1 or len(images) == 0:
            raise UsageError(f"batches of {batch_size} from {len(images)} images: expected at least 1 of both")
        self._images = images.to(device)
        self._device = torch.device(device)
        self._batch_size = min(batch_size, len(images))
        self._seed = seed
        self._phase = phase
        self._augmentation = augmentation
        self._normalization = normalization
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    @property
    def steps_per_epoch(self) -> int:
        """Batches a pass; the last, incomplete one is dropped."""
        return len(self._images) // self._batch_size

    def batch(self, step: int) -> Batch:
        """The batch of one step.

        Args:
            step: Steps taken before this one in the phase, 0 for the first.

        Returns:
            `batch_size` images, shuffled anew each epoch (epoch = step // steps_per_epoch).
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self._batch_size
        chosen = self._order_of(epoch)[start : start + self._batch_size]
        chances = generator(self._seed, f"{self._phase}/augmentation", step)
        pixels = augment(send(self._images.pixels[chosen], self._device), self._augmentation, chances)
        labels = send(self._images.labels[chosen], self._device)
        return Batch(inputs=normalize(pixels, self._normalization), labels=labels)

    def _order_of(self, epoch: int) -> Tensor:
        """The epoch's permutation; the last one asked for is kept, since steps come in order."""
        if epoch != self._epoch:
            order = torch.randperm(len(self._images), generator=generator(self._seed, f"{self._phase}/order", epoch))
            self._order = send(order, self._images.labels.device)
            self._epoch = epoch
        return self._order


def in_order(
    images: Images, normalization: Normalization, batch_size: int, device: torch.device | str
) -> Iterator[Batch]:
    """All images once, in their order, unvaried; the last batch may be smaller.

    Args:
        images: Images, on any device.
        normalization: How pixels become floats.
        batch_size: Images a batch, at least 1.
        device: Where batches are made.

    Yields:
        Batches.
    """
    for start in range(0, len(images), batch_size):
        pixels = send(images.pixels[start : start + batch_size], device)
        labels = send(images.labels[start : start + batch_size], device)
        yield Batch(inputs=normalize(pixels, normalization), labels=labels)


def hold_out(images: Images, *, seed: int = 0, fraction: float = 0.1) -> HeldOut:
    """Training images with a random share kept aside.

    Args:
        images: At least two images.
        seed: Which share; the default is the same share in every run.
        fraction: The share's size, between 0 and 1.

    Returns:
        Both parts, each in the original order, none empty.

    Raises:
        UsageError: If the fraction is not between 0 and 1 or there are fewer than two images.
    """
    if not 0 < fraction < 1 or len(images) < 2:
        raise UsageError(
            f"holding out {fraction} of {len(images)} images: expected a share between 0 and 1 of at least 2 images"
        )
    num_held_out = min(max(1, round(fraction * len(images))), len(images) - 1)
    order = torch.randperm(len(images), generator=generator(seed, "hold-out", 0)).to(images.labels.device)
    kept, aside = order[num_held_out:].sort().values, order[:num_held_out].sort().values
    return HeldOut(train=images.select(kept), held_out=images.select(aside))
