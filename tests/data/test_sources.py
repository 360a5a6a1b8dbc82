import gzip
import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from studentsearch.data import published_files
from studentsearch.data.augmentation import Augmentation
from studentsearch.data.names import default_data_root
from studentsearch.data.sources import open_dataset
from studentsearch.errors import InputFileError, UsageError


def test_digits_are_always_the_same() -> None:
    digits = open_dataset("digits")
    assert (len(digits.train), len(digits.test)) == (1397, 400)
    assert digits.image_shape == (1, 8, 8)
    assert digits.num_classes == 10
    assert digits.augmentation == Augmentation(shift=1)
    assert int(digits.train.pixels.max()) == 255
    assert digits.fingerprint == open_dataset("digits").fingerprint
    assert digits.test.labels.bincount().min() > 25


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar-10", r"no data named 'cifar-10': did you mean cifar10"),
        ("digit", "did you mean digits"),
        ("", "no data named '': expected one of digits, cifar10"),
        ("folder:", "expected one of digits"),
    ],
)
def test_unknown_names_are_told_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_dataset(name)


def test_a_bare_folder_is_told_its_spelling(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"did you mean folder:{tmp_path}"):
        open_dataset(str(tmp_path))


def test_image_size_goes_with_folders() -> None:
    with pytest.raises(UsageError, match="--image-size goes with folder:PATH only"):
        open_dataset("digits", image_size=32)


def test_data_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STUDENTSEARCH_DATA", str(tmp_path))
    assert default_data_root() == tmp_path
    monkeypatch.delenv("STUDENTSEARCH_DATA")
    assert default_data_root() == Path.home() / ".cache" / "studentsearch" / "data"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
        ("fashion-mnist", "FashionMNIST/raw"),
    ],
)
def test_missing_files_name_three_ways(name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_files, "_DEBIAN_FASHION_MNIST", tmp_path / "debian")
    with pytest.raises(InputFileError, match=f"{name} is not there") as caught:
        open_dataset(name, data_root=tmp_path)
    text = str(caught.value)
    assert "--download" in text
    assert str(tmp_path / folder) in text
    assert "folder:PATH" in text
    assert "\n" not in text


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, content: object) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def images(count: int) -> dict[str, object]:
        return {"data": np.arange(count * 3072).reshape(count, 3072).astype(np.uint8), "labels": list(range(count))}

    name, digest = write("batches.meta", {"label_names": [f"class{label}" for label in range(10)]})
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": name, "key": "label_names", "md5": digest})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [write("data_batch_1", images(10))])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [write("test_batch", images(4))])


def test_cifar_reads_torchvisions_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch)
    cifar = open_dataset("cifar10", data_root=tmp_path)
    assert cifar.image_shape == (3, 32, 32)
    assert (len(cifar.train), len(cifar.test)) == (10, 4)
    assert cifar.train.labels.tolist() == list(range(10))
    # The file holds all of the first channel, row by row, then the second.
    assert torch.equal(cifar.train.pixels.flatten()[:3072], torch.arange(3072).to(torch.uint8))
    assert cifar.augmentation == Augmentation(shift=4, flip=True)
    assert cifar.mean == (0.4914, 0.4822, 0.4465)


def test_damaged_cifar_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"damaged")
    with pytest.raises(InputFileError, match="is not the whole of cifar10: a file is missing or its MD5 is another"):
        open_dataset("cifar10", data_root=tmp_path)


def test_a_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setattr(datasets.CIFAR100, "download", fail)
    with pytest.raises(InputFileError, match="cifar100 could not be fetched: no route to host; check the network"):
        open_dataset("cifar100", data_root=tmp_path, download=True)


def idx(pixels: bytes, *shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + pixels


def write_fashion_mnist(folder: Path, *, zipped: bool) -> None:
    folder.mkdir(parents=True)
    for part, count in (("train", 10), ("t10k", 5)):
        pixels = bytes(value % 251 for value in range(count * 784))
        for name, content in (
            (f"{part}-images-idx3-ubyte", idx(pixels, count, 28, 28)),
            (f"{part}-labels-idx1-ubyte", idx(bytes(range(count)), count)),
        ):
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)


@pytest.mark.parametrize(("folder", "zipped"), [("FashionMNIST/raw", False), ("debian", True)])
def test_fashion_mnist_is_found_in_both_layouts(
    folder: str, zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_files, "_DEBIAN_FASHION_MNIST", tmp_path / "debian")
    write_fashion_mnist(tmp_path / folder, zipped=zipped)
    fashion = open_dataset("fashion-mnist", data_root=tmp_path)
    assert fashion.image_shape == (1, 28, 28)
    assert fashion.test.labels.tolist() == [0, 1, 2, 3, 4]
    assert fashion.train.pixels.flatten()[:252].tolist() == [*range(251), 0]
    assert fashion.classes[9] == "Ankle boot"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b damaged", r"train-images-idx3-ubyte\.gz cannot be read"),
        (gzip.compress(b"GIF89a"), "is no idx file"),
        (gzip.compress(idx(b"12", 1, 1, 3)), "do not fit its header"),
        (gzip.compress(idx(b"", 1, 1, 3)[:6]), "do not fit its header"),
    ],
)
def test_damaged_idx_files_are_named(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_files, "_DEBIAN_FASHION_MNIST", tmp_path / "debian")
    write_fashion_mnist(tmp_path / "debian", zipped=True)
    (tmp_path / "debian" / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(InputFileError, match=message):
        open_dataset("fashion-mnist", data_root=tmp_path)


MODULE = """
import torch
from studentsearch.data.augmentation import Augmentation
from studentsearch.data.dataset import Dataset, Images

def blobs():
    part = Images(pixels=torch.zeros(4, 1, 3, 3, dtype=torch.uint8), labels=torch.tensor([0, 1, 0, 1]))
    return Dataset(name="blobs", classes=("a", "b"), train=part, test=part, mean=(0.5,), std=(0.5,),
                   augmentation=Augmentation())

def number():
    return 3

def broken():
    raise ZeroDivisionError("by design")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "made_for_sources.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    monkeypatch.delitem(__import__("sys").modules, "made_for_sources", raising=False)
    return "made_for_sources"


def test_a_function_in_the_working_directory_is_found(module: str) -> None:
    made = open_dataset(f"python:{module}:blobs")
    assert made.name == f"python:{module}:blobs"
    assert made.image_shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{module}:number", r"gave a int; expected a studentsearch\.data\.dataset\.Dataset"),
        ("{module}:broken", r"failed: ZeroDivisionError: by design; mend it"),
        ("{module}:nothing", "has no nothing; expected python:module:function"),
        ("no_such_module:make", r"there is no module no_such_module here"),
        ("{module}", "names no function; expected python:module:function"),
    ],
)
def test_other_functions_are_refused(target: str, message: str, module: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_dataset(f"python:{target.format(module=module)}")
