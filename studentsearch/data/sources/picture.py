"""One picture file as a tensor."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from studentsearch.errors import InputFileError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm")
_GREY = {"1", "L", "LA"}
_COLOUR = {"RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "RGBX"}


def read_picture(path: Path, image_size: int | None = None) -> Tensor:
    """The pixels of a picture file; transparency is dropped.

    Args:
        path: A picture in one of PIL's 8-bit modes.
        image_size: Height and width in pixels to resize and center-crop to; None to take it as it is.

    Returns:
        `[1, H, W]` if the file is grey, else `[3, H, W]`, uint8.

    Raises:
        InputFileError: If the file does not decode or has more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in _GREY | _COLOUR:
                raise InputFileError(f"{path} has mode {image.mode!r}, expected 8 bits a channel: convert the picture")
            decoded = image.convert("L" if image.mode in _GREY else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputFileError(f"{path} does not decode ({error}): replace or remove the picture") from error
    if image_size is not None:
        decoded = ImageOps.fit(decoded, (image_size, image_size), method=Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(decoded))
    return pixels.unsqueeze(0) if pixels.ndim == 2 else pixels.permute(2, 0, 1)
