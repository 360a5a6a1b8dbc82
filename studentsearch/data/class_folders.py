"""Which class folders and image files a folder holds; nothing is decoded, and nothing here needs torch."""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from studentsearch.errors import InputFileError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm")
_UNSPEAKABLE = {"Cc", "Cs"}  # control characters, and bytes that are not UTF-8


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolders:
    """The layout of a folder of images.

    Attributes:
        train: The folder of training images.
        test: The folder of test images.
        classes: Names of the class folders, the same in both, in alphabetical order.
    """

    train: Path
    test: Path
    classes: tuple[str, ...]


def find_class_folders(path: Path) -> ClassFolders:
    """The class folders of a folder of images.

    Args:
        path: Holds train/ and test/ or val/.

    Returns:
        Both folders and their classes.

    Raises:
        InputFileError: If a folder is missing or cannot be read, there are fewer than two classes, they differ between
            train and test, or one has a name that is not text.
    """
    _require_text(path, str(path))
    try:
        train, test = _parts(path)
        classes = _classes(train)
        _require_same_classes(train, test, classes)
    except OSError as error:
        _refuse(error)
    for name in classes:
        _require_text(train / name, name)
    return ClassFolders(train=train, test=test, classes=classes)


def image_files(folder: Path, classes: tuple[str, ...]) -> list[Path]:
    """The image files of every class, at any depth; links to folders inside a class are not followed.

    Args:
        folder: Holds the class folders.
        classes: Their names.

    Returns:
        Files with a known suffix, sorted within each class; at least one a class.

    Raises:
        InputFileError: If a folder holds none or cannot be read.
    """
    files: list[Path] = []
    for name in classes:
        found = sorted(
            Path(parent, file)
            for parent, _, names in os.walk(folder / name, onerror=_refuse)
            for file in names
            if os.path.splitext(file)[1].lower() in SUFFIXES  # noqa: PTH122 a million Paths take seconds
        )
        if not found:
            raise InputFileError(f"{folder / name} holds no images: expected {', '.join(SUFFIXES)} files")
        files.extend(found)
    return files


def _refuse(error: OSError) -> Never:
    raise InputFileError(f"cannot read {error.filename}: {error.strerror}; give permission there") from error


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


def _require_text(path: Path, name: str) -> None:
    """Names of classes and folders are kept in config.json and manifest.json, and shown."""
    if any(unicodedata.category(character) in _UNSPEAKABLE for character in name):
        raise InputFileError(f"the folder {str(path)!r} has a name with control characters or not in UTF-8; rename it")
