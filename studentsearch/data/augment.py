"""Random rotations, shifts and flips of whole batches of uint8 pictures, on the device where they lie."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from studentsearch.data.transfer import send
from studentsearch.errors import UsageError

_HALF_TURN = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How pictures are varied in training.

    Attributes:
        shift: Pictures move by up to so many pixels in each direction; black comes in (a crop after zero padding).
        rotate: Before that pictures turn about their centre by up to so many degrees either way; black comes in.
        flip: Every second picture, by chance, is mirrored left to right.
    """

    shift: int = 0
    rotate: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise UsageError(f"a shift of {self.shift} pixels: expected 0 or more")
        if not 0 <= self.rotate <= _HALF_TURN:
            raise UsageError(f"a rotation of {self.rotate} degrees: expected 0 to {_HALF_TURN}, either way")

    def __str__(self) -> str:
        words = [f"{name}:{amount}" for name, amount in (("shift", self.shift), ("rotate", self.rotate)) if amount]
        words += ["flip"] * self.flip
        return "+".join(words) or "none"


def parse_augmentation(text: str | None, default: Augmentation) -> Augmentation:
    """The augmentation that a user's words mean.

    Args:
        text: "none", "shift", "flip", "shift+flip", "shift:4+rotate:15+flip"; None for the default.
        default: The augmentation that fits the data; a bare "shift" or "rotate" takes its amount.

    Returns:
        The augmentation; its `str` reads back as the same.

    Raises:
        UsageError: For other words, or a bare "shift" or "rotate" where the data's own augmentation has none.
    """
    if text is None:
        return default
    if text == "none":
        return Augmentation()
    words = [word.partition(":") for word in text.split("+")]
    amounts = {"shift": 0, "rotate": 0}
    flip = False
    for name, colon, amount in words:
        if name == "flip" and not colon:
            flip = True
        elif name in amounts and (not colon or _is_positive(amount)):
            amounts[name] = int(amount) if colon else _usual_amount(name, text, default)
        else:
            raise _not_understood(text)
    if len({name for name, _, _ in words}) < len(words):
        raise _not_understood(text)
    return Augmentation(shift=amounts["shift"], rotate=amounts["rotate"], flip=flip)


def augment(pixels: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Each picture rotated, shifted and flipped by its own chance.

    Args:
        pixels: `[B, C, H, W]`, uint8.
        augmentation: What may happen to a picture.
        generator: Draws the chances on its own device; the pictures stay where they are.

    Returns:
        Same shape, dtype and device as `pixels`.
    """
    if augmentation == Augmentation():
        return pixels
    batch, shift, place = len(pixels), augmentation.shift, generator.device
    offsets = torch.randint(0, 2 * shift + 1, (2, batch, 1), generator=generator, device=place)
    flips = torch.rand((batch, 1), generator=generator, device=place) < 0.5 * augmentation.flip
    if augmentation.rotate:
        # Drawn last, so that shifts and flips are the same ones with and without rotation.
        turns = torch.rand(batch, generator=generator, device=place) * 2 - 1
        pixels = rotate(pixels, turns * math.radians(augmentation.rotate))
    return _shift_and_flip(pixels, shift, send(offsets, pixels.device), send(flips, pixels.device))


def rotate(pixels: Tensor, angles: Tensor) -> Tensor:
    """Each picture turned about its centre by its own angle, between pixels by bilinear interpolation.

    Args:
        pixels: `[B, C, H, W]`, uint8.
        angles: `[B]`, counterclockwise, in radians; on any device.

    Returns:
        Same shape, dtype and device as `pixels`; black where a picture did not reach.
    """
    _, _, height, width = pixels.shape
    # Where a pixel of the turned picture comes from, measured from the centre in units of half a side.
    cosines, sines = send(torch.stack((angles.cos(), angles.sin())).view(2, -1, 1, 1), pixels.device)
    across = torch.arange(1 - width, width, 2, device=pixels.device) / width
    down = torch.arange(1 - height, height, 2, device=pixels.device).view(-1, 1) / height
    columns = cosines * across - sines * (height / width) * down
    rows = sines * (width / height) * across + cosines * down
    places = torch.stack((columns, rows), dim=3)
    turned = F.grid_sample(pixels.float(), places, mode="bilinear", padding_mode="zeros", align_corners=False)
    return turned.round_().to(torch.uint8)


def _shift_and_flip(pixels: Tensor, shift: int, offsets: Tensor, flips: Tensor) -> Tensor:
    """Pictures moved and mirrored: `offsets` `[2, B, 1]` in 0..2 * shift across and down, `flips` `[B, 1]` bool."""
    batch, channels, height, width = pixels.shape
    columns = torch.arange(width, device=pixels.device)
    columns = torch.where(flips, width - 1 - columns, columns) + offsets[0]
    rows = torch.arange(height, device=pixels.device) + offsets[1]
    places = rows[:, :, None] * (width + 2 * shift) + columns[:, None, :]
    # One gather over flattened pixels: seven times as fast as indexing rows and columns apart.
    places = places.view(batch, 1, height * width).expand(-1, channels, -1)
    padded = F.pad(pixels, (shift, shift, shift, shift)).view(batch, channels, -1)
    return padded.gather(2, places).view(batch, channels, height, width)


def _is_positive(amount: str) -> bool:
    return amount.isascii() and amount.isdigit() and int(amount) > 0


def _usual_amount(name: str, text: str, default: Augmentation) -> int:
    usual, unit, example = {
        "shift": (default.shift, "pixels", "shift:4"),
        "rotate": (default.rotate, "degrees", "rotate:15"),
    }[name]
    if not usual:
        raise UsageError(
            f"augmentation {text!r}: these data have no usual {name}; say how many {unit}, as in {example!r}"
        )
    return usual


def _not_understood(text: str) -> UsageError:
    return UsageError(
        f"augmentation {text!r} is not understood: expected 'none', 'flip', 'shift', 'rotate', several joined as in "
        f"'shift+flip', or, with numbers of pixels and degrees, 'shift:4+rotate:15+flip'"
    )
