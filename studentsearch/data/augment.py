"""Random shifts and flips of whole batches of uint8 pictures, on the device where they lie."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from studentsearch.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How pictures are varied in training.

    Attributes:
        shift: Pictures move by up to so many pixels in each direction; black comes in (a crop after zero padding).
        flip: Every second picture, by chance, is mirrored left to right.
    """

    shift: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise UsageError(f"a shift of {self.shift} pixels: expected 0 or more")

    def __str__(self) -> str:
        words = [f"shift:{self.shift}"] * (self.shift > 0) + ["flip"] * self.flip
        return "+".join(words) or "none"


def parse_augmentation(text: str | None, default: Augmentation) -> Augmentation:
    """The augmentation that a user's words mean.

    Args:
        text: "none", "shift", "flip", "shift+flip", "shift:2+flip"; None for the default.
        default: The augmentation that fits the data; a bare "shift" takes its number of pixels.

    Returns:
        The augmentation; its `str` reads back as the same.

    Raises:
        UsageError: For other words, or a bare "shift" where the data's own augmentation has none.
    """
    if text is None:
        return default
    if text == "none":
        return Augmentation()
    words = text.split("+")
    names = [word.partition(":")[0] for word in words]
    if len(set(names)) < len(names):
        raise _not_understood(text)
    shift, flip = 0, False
    for word in words:
        if word == "flip":
            flip = True
        else:
            shift = _parse_shift(word, text, default)
    return Augmentation(shift=shift, flip=flip)


def augment(pixels: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Each picture shifted and flipped by its own chance.

    Args:
        pixels: `[B, C, H, W]`, uint8.
        augmentation: What may happen to a picture.
        generator: Draws the chances on its own device; the pictures stay where they are.

    Returns:
        Same shape, dtype and device as `pixels`.
    """
    batch, channels, height, width = pixels.shape
    shift = augmentation.shift
    if not shift and not augmentation.flip:
        return pixels
    offsets = torch.randint(0, 2 * shift + 1, (2, batch, 1), generator=generator, device=generator.device)
    flips = torch.rand((batch, 1), generator=generator, device=generator.device) < 0.5 * augmentation.flip
    columns = torch.arange(width, device=generator.device)
    columns = torch.where(flips, width - 1 - columns, columns) + offsets[0]
    rows = torch.arange(height, device=generator.device) + offsets[1]
    places = rows[:, :, None] * (width + 2 * shift) + columns[:, None, :]
    # One gather over flattened pixels: seven times as fast as indexing rows and columns apart.
    places = places.to(pixels.device).view(batch, 1, height * width).expand(-1, channels, -1)
    padded = F.pad(pixels, (shift, shift, shift, shift)).view(batch, channels, -1)
    return padded.gather(2, places).view(batch, channels, height, width)


def _parse_shift(word: str, text: str, default: Augmentation) -> int:
    name, colon, amount = word.partition(":")
    if name != "shift" or (colon and not (amount.isascii() and amount.isdigit() and int(amount) > 0)):
        raise _not_understood(text)
    if colon:
        return int(amount)
    if not default.shift:
        raise UsageError(f"augmentation {text!r}: these data have no usual shift; say how many pixels, as in 'shift:4'")
    return default.shift


def _not_understood(text: str) -> UsageError:
    return UsageError(
        f"augmentation {text!r} is not understood: expected 'none', 'flip', 'shift', 'shift+flip' or, with a number "
        f"of pixels, 'shift:2+flip'"
    )
