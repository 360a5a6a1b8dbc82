"""Pictures in folders: train/ and test/ or val/, one folder a class."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from studentsearch.data.augment import Augmentation
from studentsearch.data.dataset import Dataset, Images, channel_mean, channel_std
from studentsearch.data.sources.picture import SUFFIXES, read_picture
from studentsearch.errors import InputFileError, UsageError
from studentsearch.progress import Progress, SilentProgress

_HEARD_EVERY = 100


def open_folder(path: Path, *, image_size: int | None = None, progress: Progress | None = None) -> Dataset:
    """The pictures of a folder; classes are the names of the folders in train/, in alphabetical order.

    Grey pictures stay one channel if all are grey.

    Args:
        path: Holds train/CLASS/*.png and test/CLASS/*.png (or val/); JPEG and PIL's other usual types too.
        image_size: Height and width in pixels to resize and center-crop to; None to take pictures as they are.
        progress: Hears of every hundredth picture that is decoded; None for silence.

    Returns:
        The dataset; its fingerprint does not depend on the path.

    Raises:
        UsageError: If the image size is not positive.
        InputFileError: If a folder is missing or empty, classes differ between train and test, a picture does not
            decode, or sizes differ and no image size is given.
    """
    if image_size is not None and image_size < 1:
        raise UsageError(f"an image size of {image_size} pixels: expected 1 or more")
    path = path.expanduser().resolve()
    train_folder, test_folder = _parts(path)
    classes = _classes(train_folder)
    _require_same_classes(train_folder, test_folder, classes)
    train_files, test_files = _files(train_folder, classes), _files(test_folder, classes)
    pixels = _decode([*train_files, *test_files], image_size, progress or SilentProgress())
    train = Images(pixels=pixels[: len(train_files)], labels=_labels(train_files, train_folder, classes))
    return Dataset(
        name=f"folder:{path}",
        classes=classes,
        train=train,
        test=Images(pixels=pixels[len(train_files) :], labels=_labels(test_files, test_folder, classes)),
        mean=channel_mean(train),
        std=channel_std(train),
        # An eighth of the height is the field's 4 pixels of 32.
        augmentation=Augmentation(shift=pixels.shape[2] // 8, flip=True),
    )


def _parts(path: Path) -> tuple[Path, Path]:
    if not path.is_dir():
        raise InputFileError(f"{path} is not a folder: expected one that holds train/ and test/ (or val/)")
    tests = [path / name for name in ("test", "val") if (path / name).is_dir()]
    if not (path / "train").is_dir() or not tests:
        missing = "test/ or val/" if (path / "train").is_dir() else "train/"
        raise InputFileError(f"{path} holds no {missing}: expected train/CLASS/*.png and test/CLASS/*.png (or val/)")
    return path / "train", tests[0]


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def _require_same_classes(train_folder: Path, test_folder: Path, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        raise InputFileError(f"{train_folder} holds {len(classes)} class folders, expected one a class, at least 2")
    test_classes = _classes(test_folder)
    for here, there, missing in (
        (train_folder, test_folder, sorted(set(classes) - set(test_classes))),
        (test_folder, train_folder, sorted(set(test_classes) - set(classes))),
    ):
        if missing:
            raise InputFileError(
                f"{len(missing)} classes of {here} are not in {there}, the first is {missing[0]!r}: expected the same "
                f"class folders in both"
            )


def _files(folder: Path, classes: tuple[str, ...]) -> list[Path]:
    files: list[Path] = []
    for name in classes:
        found = sorted(file for file in (folder / name).rglob("*") if file.suffix.lower() in SUFFIXES)
        if not found:
            raise InputFileError(f"{folder / name} holds no pictures: expected {', '.join(SUFFIXES)} files")
        files.extend(found)
    return files


def _labels(files: list[Path], folder: Path, classes: tuple[str, ...]) -> Tensor:
    index = {name: label for label, name in enumerate(classes)}
    return torch.tensor([index[file.relative_to(folder).parts[0]] for file in files], dtype=torch.int64)


def _watched(pictures: Iterable[Tensor], total: int, progress: Progress) -> Iterator[Tensor]:
    """The pictures as they come; fewer than are heard of at once are not worth a word."""
    if total < _HEARD_EVERY:
        yield from pictures
        return
    progress.begin("reading", total=total, first=0, unit="pictures")
    for number, picture in enumerate(pictures, start=1):
        yield picture
        if number % _HEARD_EVERY == 0 or number == total:
            progress.advance(number, {})
    progress.end()


def _decode(files: list[Path], image_size: int | None, progress: Progress) -> Tensor:
    """All pictures `[N, C, H, W]`, uint8: one channel if all are grey, else three."""
    # PIL decodes outside the interpreter's lock, so threads help.
    with ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool:
        decoded = pool.map(partial(read_picture, image_size=image_size), files)
        pictures = list(_watched(decoded, len(files), progress))
    expected = pictures[0].shape[1:]
    for file, picture in zip(files, pictures, strict=True):
        if picture.shape[1:] != expected:
            raise InputFileError(
                f"{file} is {picture.shape[2]} x {picture.shape[1]} pixels, {files[0].name} is {expected[1]} x "
                f"{expected[0]}: expected one size; bring all to one with --image-size"
            )
    channels = max(len(picture) for picture in pictures)
    pixels = torch.empty((len(pictures), channels, *expected), dtype=torch.uint8)
    for place, picture in zip(pixels, pictures, strict=True):
        place.copy_(picture)
    return pixels
