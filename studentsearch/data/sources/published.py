"""Published datasets in torchvision's files: CIFAR-10, CIFAR-100, Fashion-MNIST."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.dataset import Dataset, Images
from studentsearch.data.published_files import (
    IDX_FILES,
    find_fashion_mnist,
    missing_files,
    raw_fashion_mnist,
    require_fashion_mnist,
)
from studentsearch.data.sources.idx import read_idx
from studentsearch.errors import InputFileError

_MEAN = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4865, 0.4409)}
_STD = {"cifar10": (0.2470, 0.2435, 0.2616), "cifar100": (0.2673, 0.2564, 0.2762)}


def open_cifar(name: str, root: Path, *, download: bool) -> Dataset:
    """CIFAR-10 or CIFAR-100 from torchvision's files; an archive that lies there is unpacked.

    Args:
        name: "cifar10" or "cifar100".
        root: The folder that holds `cifar-10-batches-py` or `cifar-100-python`.
        download: Fetch the files if they are not there.

    Returns:
        50,000 and 10,000 images of `[3, 32, 32]`.

    Raises:
        InputFileError: If the files are missing or damaged, or fetching them fails.
    """
    kind = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
    folder = root / kind.base_folder
    if not folder.is_dir():
        if not download and not check_integrity(root / kind.filename, kind.tgz_md5):
            raise missing_files(name, folder, searched=(root,))
        _fetch(name, folder, lambda: kind(root, download=True))
    try:
        train, test = kind(root, train=True), kind(root, train=False)
    except RuntimeError as error:
        raise InputFileError(
            f"{folder} is not the whole of {name}: a file is missing or its MD5 is another; remove the folder and run "
            f"again with --download"
        ) from error
    return Dataset(
        name=name,
        classes=tuple(train.classes),
        train=_from_torchvision(train),
        test=_from_torchvision(test),
        mean=_MEAN[name],
        std=_STD[name],
        augmentation=Augmentation(shift=4, flip=True),
    )


def open_fashion_mnist(root: Path, *, download: bool) -> Dataset:
    """Fashion-MNIST from torchvision's folder or Debian's package dataset-fashion-mnist.

    Args:
        root: The folder that holds `FashionMNIST/raw`.
        download: Fetch the files if they are not there.

    Returns:
        60,000 and 10,000 images of `[1, 28, 28]`.

    Raises:
        InputFileError: If the files are missing or damaged, or fetching them fails.
    """
    if download and find_fashion_mnist(root) is None:
        _fetch("fashion-mnist", raw_fashion_mnist(root), lambda: datasets.FashionMNIST(root, download=True))
    folder = require_fashion_mnist(root)
    train_pixels, train_labels, test_pixels, test_labels = (
        read_idx(folder, name, num_axes=num_axes) for name, num_axes in IDX_FILES.items()
    )
    return Dataset(
        name="fashion-mnist",
        classes=tuple(datasets.FashionMNIST.classes),
        train=Images(pixels=train_pixels.unsqueeze(1), labels=train_labels.to(torch.int64)),
        test=Images(pixels=test_pixels.unsqueeze(1), labels=test_labels.to(torch.int64)),
        mean=(0.2860,),
        std=(0.3530,),
        augmentation=Augmentation(shift=2, flip=True),
    )


def _from_torchvision(part: datasets.CIFAR10) -> Images:
    pixels = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()
    return Images(pixels=pixels, labels=torch.tensor(part.targets, dtype=torch.int64))


def _fetch(name: str, folder: Path, fetch: Callable[[], object]) -> None:
    # torchvision prints what it does on stdout, which is kept for data.
    try:
        with contextlib.redirect_stdout(sys.stderr):
            fetch()
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputFileError(
            f"{name} could not be fetched: {reason}; check the network, or put torchvision's files at {folder} yourself"
        ) from error
