"""Which npz files of downsampled ImageNet a folder holds; none is opened, and nothing here needs torch."""

import re
from dataclasses import dataclass
from pathlib import Path

from studentsearch.errors import InputFileError

TEST_NAME = "val_data.npz"
_TRAIN_NAME = re.compile(r"train_data_batch_(\d{1,9})\.npz")


@dataclass(frozen=True, slots=True, kw_only=True)
class NpzFolder:
    """The published files of one size of images.

    Attributes:
        path: The folder that holds them.
        train: The files to learn from, in the order of their numbers.
        side: Height and width of the images.
    """

    path: Path
    train: tuple[Path, ...]
    side: int

    @property
    def cache(self) -> Path:
        """Where their pixels are unpacked to."""
        return self.path / "cache"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        return 3, self.side, self.side


def find_npz(path: Path, side: int) -> NpzFolder:
    """The npz files of downsampled ImageNet in a folder.

    Args:
        path: Holds train_data_batch_1.npz ... train_data_batch_10.npz, or some of them, and val_data.npz.
        side: Height and width of their images.

    Returns:
        The files that there are; none is opened.

    Raises:
        InputFileError: If the folder or one of both kinds of files is missing.
    """
    if not path.is_dir():
        raise InputFileError(f"{path} is not a folder: expected one that holds train_data_batch_1.npz and {TEST_NAME}")
    files = (entry for entry in path.iterdir() if entry.is_file())
    numbers = {int(found[1]): file for file in files if (found := _TRAIN_NAME.fullmatch(file.name))}
    if not numbers or not (path / TEST_NAME).is_file():
        missing = TEST_NAME if numbers else "train_data_batch_1.npz"
        raise InputFileError(
            f"{path} holds no {missing}: expected the npz files of downsampled ImageNet, train_data_batch_1.npz to "
            f"train_data_batch_10.npz and {TEST_NAME}; unpack the published archives there"
        )
    return NpzFolder(path=path, train=tuple(numbers[number] for number in sorted(numbers)), side=side)
