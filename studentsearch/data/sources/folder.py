"""Images in folders: train/ and test/ or val/, one folder a class."""

import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.class_folders import find_class_folders, image_files
from studentsearch.data.dataset import Dataset, Images, channel_mean, channel_std
from studentsearch.data.sources.image_file import read_image
from studentsearch.disk import real_path, with_home
from studentsearch.errors import InputFileError
from studentsearch.progress import Progress, SilentProgress

_HEARD_EVERY = 100


def open_folder(path: Path, *, image_size: int | None = None, progress: Progress | None = None) -> Dataset:
    """The images of a folder; classes are the names of the folders in train/, in alphabetical order.

    Grey images stay one channel if all are grey.

    Args:
        path: Holds train/CLASS/*.png and test/CLASS/*.png (or val/); JPEG and BMP, WebP, PPM and PGM too.
        image_size: Height and width in pixels to resize and center-crop to, >= 1; None to take images as they are.
        progress: Hears of every hundredth image that is decoded; None for silence.

    Returns:
        The dataset; its fingerprint does not depend on the path.

    Raises:
        InputFileError: If a folder is missing or empty, classes differ between train and test, an image does not
            decode, or sizes differ and no image size is given.
    """
    path = real_path(with_home(path))
    found = find_class_folders(path)
    classes = found.classes
    train_files, test_files = image_files(found.train, classes), image_files(found.test, classes)
    pixels = _decode([*train_files, *test_files], image_size, progress or SilentProgress())
    train = Images(pixels=pixels[: len(train_files)], labels=_labels(train_files, found.train, classes))
    return Dataset(
        name=f"folder:{path}",
        classes=classes,
        train=train,
        test=Images(pixels=pixels[len(train_files) :], labels=_labels(test_files, found.test, classes)),
        mean=channel_mean(train),
        std=channel_std(train),
        # An eighth of the height is the field's 4 pixels of 32.
        augmentation=Augmentation(shift=pixels.shape[2] // 8, flip=True),
    )


def _labels(files: list[Path], folder: Path, classes: tuple[str, ...]) -> Tensor:
    index = {name: label for label, name in enumerate(classes)}
    return torch.tensor([index[file.relative_to(folder).parts[0]] for file in files], dtype=torch.int64)


def _watched(images: Iterable[Tensor], total: int, progress: Progress) -> Iterator[Tensor]:
    """The images as they come; fewer than are heard of at once are not worth a word."""
    if total < _HEARD_EVERY:
        yield from images
        return
    progress.begin("reading", total=total, first=0, unit="images")
    for number, image in enumerate(images, start=1):
        yield image
        if number % _HEARD_EVERY == 0 or number == total:
            progress.advance(number, {})
    progress.end()


def _decode(files: list[Path], image_size: int | None, progress: Progress) -> Tensor:
    """All images `[N, C, H, W]`, uint8: one channel if all are grey, else three."""
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool:
        # Pillow's, of many pixels: `read_image` has a bound of its own. Filters are shared by all threads.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # PIL decodes outside the interpreter's lock, so threads help.
        decoded = pool.map(partial(read_image, image_size=image_size), files)
        try:
            images = list(_watched(_of_one_size(decoded, files), len(files), progress))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # the images that follow do not matter any more
            raise
    channels = max(len(image) for image in images)
    pixels = torch.empty((len(images), channels, *images[0].shape[1:]), dtype=torch.uint8)
    for place, image in zip(pixels, images, strict=True):
        place.copy_(image)
    return pixels


def _of_one_size(images: Iterable[Tensor], files: list[Path]) -> Iterator[Tensor]:
    first: Tensor | None = None
    for file, image in zip(files, images, strict=True):
        first = image if first is None else first
        if image.shape[1:] != first.shape[1:]:
            raise InputFileError(
                f"{file} is {image.shape[2]} x {image.shape[1]} pixels, {files[0].name} is {first.shape[2]} x "
                f"{first.shape[1]}: expected one size; bring all to one with --image-size"
            )
        yield image
