"""Pixels of more images than memory holds: they stay in their file, and the images that are asked for are read."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class MappedPixels:
    """Images of one size in a memory-mapped file, or some of them.

    Like a tensor it has a length and a shape, and indexing gives a tensor; nothing else of it is ever in memory.
    """

    def __init__(self, stored: npt.NDArray[np.uint8], rows: Tensor) -> None:
        """Choose images of a file; see `map_pixels` and `subset`.

        Args:
            stored: `[M, C, H, W]`, all images of the file.
            rows: `[N]`, int64 on the CPU, 0..M-1: which of them these are, in this order.
        """
        self._stored = stored
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """The pixels of the images at `index`, copied into memory: `[B, C, H, W]`, uint8."""
        rows = self._rows[index]
        pixels = torch.empty((len(rows), *self.shape[1:]), dtype=torch.uint8)
        # The rows are known to be in range, and numpy writes straight into `out` only where it need not check them.
        np.take(self._stored, rows.numpy(), axis=0, out=pixels.numpy(), mode="clip")
        return pixels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height and width."""
        _, channels, height, width = self._stored.shape
        return len(self), channels, height, width

    def subset(self, indices: Tensor) -> "MappedPixels":
        """Some of these images, in the same file.

        Args:
            indices: `[B]`, int64 on the CPU.

        Returns:
            The images at `indices`, in that order; no pixel is read.
        """
        return MappedPixels(self._stored, self._rows[indices])


Pixels: TypeAlias = Tensor | MappedPixels
"""`[N, C, H, W]`, uint8, 0 is black: in memory on some device, or in a file."""


def map_pixels(path: Path, shape: tuple[int, int, int, int]) -> MappedPixels:
    """All images of a file of bytes.

    Args:
        path: `N * C * H * W` bytes, image by image and channel by channel; not written to.
        shape: `[N, C, H, W]`, N at least 1.

    Returns:
        The images, in the order of the file.
    """
    return MappedPixels(np.memmap(path, dtype=np.uint8, mode="r", shape=shape), torch.arange(shape[0]))
