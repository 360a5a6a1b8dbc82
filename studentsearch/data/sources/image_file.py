"""One image file as a tensor."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from studentsearch.decoding import read_regular_file
from studentsearch.errors import InputFileError

MAX_IMAGE_BYTES = 256 * 1024 * 1024
"""Bound on an image file; an uncompressed one of `MAX_IMAGE_PIXELS` in colour has 192 MiB."""
MAX_IMAGE_PIXELS = 64 * 1024 * 1024
"""Bound on height times width: 8,192 x 8,192 pixels."""
# What else Pillow reads may start other programs (EPS starts Ghostscript) or is rarely tested.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM")
_GREY = {"1", "L", "LA"}
_COLOUR = {"RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "RGBX"}
_CURE = "replace or remove the image"


def read_image(path: Path, image_size: int | None = None) -> Tensor:
    """The pixels of an image file; transparency is dropped, of several frames the first is taken.

    Args:
        path: PNG, JPEG, BMP, WebP or PPM in one of PIL's 8-bit modes, whatever its name says; the orientation that a
            camera noted is ignored, as torchvision does.
        image_size: Height and width in pixels to resize and center-crop to; None to take it as it is.

    Returns:
        `[1, H, W]` if the file is grey, else `[3, H, W]`, uint8.

    Raises:
        InputFileError: If the file is not a regular one, is larger than `MAX_IMAGE_BYTES` or `MAX_IMAGE_PIXELS`, does
            not decode or has more than 8 bits a channel.
    """
    content = read_regular_file(path, max_bytes=MAX_IMAGE_BYTES, cure=_CURE)
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            _require_bounded(image, path)
            decoded = image.convert("L" if image.mode in _GREY else "RGB")
    except InputFileError:
        raise
    except UnidentifiedImageError as error:
        raise InputFileError(f"{path} does not decode (not {', '.join(_FORMATS)}): {_CURE}") from error
    except Image.DecompressionBombError as error:  # its own bound is above ours
        raise InputFileError(f"{path} has more than {MAX_IMAGE_PIXELS:,} pixels: {_CURE}") from error
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputFileError(f"{path} does not decode ({reason}): {_CURE}") from error
    if image_size is not None:
        decoded = ImageOps.fit(decoded, (image_size, image_size), method=Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(decoded))
    return pixels.unsqueeze(0) if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def _require_bounded(image: Image.Image, path: Path) -> None:
    """Refuse by the header alone, before memory is taken for the pixels."""
    if image.mode not in _GREY | _COLOUR:
        raise InputFileError(f"{path} has mode {image.mode!r}, expected 8 bits a channel: convert the image")
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise InputFileError(
            f"{path} is {image.width} x {image.height} pixels, expected at most {MAX_IMAGE_PIXELS:,} in all: {_CURE}"
        )
