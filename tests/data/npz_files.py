"""Generated files of the form of downsampled ImageNet."""

from pathlib import Path

import numpy as np
import numpy.typing as npt


def images(count: int, side: int, seed: int) -> npt.NDArray[np.uint8]:
    """Rows of red, green and blue planes, `[count, 3 * side * side]`; every channel has its own mean."""
    random = np.random.default_rng(seed)
    highest = np.repeat(np.array([256, 200, 120]), side * side)
    return (random.random((count, 3 * side * side)) * highest).astype(np.uint8)


def write_npz(path: Path, data: npt.NDArray[np.uint8], labels: object, *, compressed: bool = False) -> None:
    """One file as it is published: pixels, labels from 1, and the mean image."""
    write = np.savez_compressed if compressed else np.savez
    write(path, data=data, labels=np.asarray(labels), mean=data.mean(axis=0))


def write_all(root: Path, *, side: int = 64, counts: tuple[int, ...] = (120, 80), num_test: int = 50) -> Path:
    """Train files with the numbers 2, 3, ... and 10 for the last, val_data, and labels 1 to 7."""
    numbers = [*range(2, 1 + len(counts)), 10]
    for number, count in zip(numbers, counts, strict=True):
        path = root / f"train_data_batch_{number}.npz"
        write_npz(path, images(count, side, number), [1 + place % 7 for place in range(count)])
    write_npz(root / "val_data.npz", images(num_test, side, 0), [7 - place % 7 for place in range(num_test)])
    return root
