import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from listening import Heard
from npz_files import images, write_all, write_npz

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.dataset import Dataset, Images, channel_mean, channel_std
from studentsearch.data.mapped import MappedPixels
from studentsearch.data.sources import downsampled, open_dataset
from studentsearch.errors import DiskError, InputFileError, UsageError

SMALL = {"side": 32, "counts": (12, 9), "num_test": 7}


def in_memory(made: Dataset) -> Dataset:
    def copy(images: Images) -> Images:
        return Images(pixels=images.pixels[:], labels=images.labels)

    return Dataset(
        name="copy",
        classes=made.classes,
        train=copy(made.train),
        test=copy(made.test),
        mean=channel_mean(copy(made.train)),
        std=channel_std(copy(made.train)),
        augmentation=Augmentation(),
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("imagenet"))


def test_files_are_read_in_the_order_of_their_numbers(published: Path) -> None:
    made = open_dataset(f"imagenet64:{published}")
    assert made.image_shape == (3, 64, 64)
    assert (len(made.train), len(made.test)) == (200, 50)
    assert made.classes == tuple("0123456")
    expected = np.concatenate([images(120, 64, 2), images(80, 64, 10)])
    assert torch.equal(made.train.pixels[:].flatten(1), torch.from_numpy(expected))
    assert made.train.labels.tolist() == [place % 7 for count in (120, 80) for place in range(count)]
    assert made.test.labels.tolist() == [6 - place % 7 for place in range(50)]
    assert made.augmentation == Augmentation(shift=8, flip=True)
    assert made.name == f"imagenet64:{published}"


def test_facts_are_those_of_the_same_images_in_memory(published: Path) -> None:
    for _ in range(2):
        made = open_dataset(f"imagenet64:{published}")
        assert isinstance(made.train.pixels, MappedPixels)
        copy = in_memory(made)
        assert (made.mean, made.std, made.fingerprint) == (copy.mean, copy.std, copy.fingerprint)
        assert made.mean[0] > made.mean[1] > made.mean[2]


def test_the_cache_says_what_it_holds(published: Path) -> None:
    made = open_dataset(f"imagenet64:{published}")
    facts = json.loads((published / "cache" / "facts.json").read_text())
    assert [source["name"] for source in facts["sources"]] == [
        "train_data_batch_2.npz",
        "train_data_batch_10.npz",
        "val_data.npz",
    ]
    assert (facts["train"]["num_images"], facts["test"]["num_images"]) == (200, 50)
    assert (facts["fingerprint"], facts["num_classes"]) == (made.fingerprint, 7)
    assert (published / "cache" / "train-pixels.bin").stat().st_size == 200 * 12288


def test_images_of_32_pixels_and_compressed_files(tmp_path: Path) -> None:
    write_all(tmp_path, **SMALL)
    write_npz(tmp_path / "val_data.npz", images(7, 32, 0), list(range(1, 8)), compressed=True)
    made = open_dataset(f"imagenet32:{tmp_path}")
    assert made.image_shape == (3, 32, 32)
    assert made.augmentation.shift == 4
    assert torch.equal(made.test.pixels[:].flatten(1), torch.from_numpy(images(7, 32, 0)))


def garble(path: Path) -> None:
    """Other bytes under the same size and date."""
    facts = path.stat()
    path.write_bytes(bytes(facts.st_size))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_a_second_opening_reads_no_npz(tmp_path: Path) -> None:
    first = open_dataset(f"imagenet32:{write_all(tmp_path, **SMALL)}")
    for path in tmp_path.glob("*.npz"):
        garble(path)
    second = open_dataset(f"imagenet32:{tmp_path}")
    assert second.fingerprint == first.fingerprint
    assert torch.equal(second.train.pixels[:], first.train.pixels[:])


def test_unpacking_is_heard_once(tmp_path: Path) -> None:
    name, heard = f"imagenet32:{write_all(tmp_path, **SMALL)}", Heard()
    open_dataset(name, progress=heard)
    assert heard.phases == ["unpacking train: 21 images from 0", "unpacking test: 7 images from 0"]
    assert heard.steps == [7]
    heard = Heard()
    open_dataset(name, progress=heard)
    assert heard.phases == []


def test_a_second_opening_reads_no_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_dataset(f"imagenet32:{write_all(tmp_path, **SMALL)}")
    monkeypatch.setattr(MappedPixels, "__getitem__", None)
    assert len(open_dataset(f"imagenet32:{tmp_path}").train) == 21


def test_a_cache_that_another_process_built_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_dataset(f"imagenet32:{write_all(tmp_path, **SMALL)}")
    answers = [None, downsampled.read_facts]

    def late(*arguments: object) -> object:
        answer = answers.pop(0)
        return answer and answer(*arguments)

    monkeypatch.setattr(downsampled, "read_facts", late)
    monkeypatch.setattr(downsampled, "survey_npz", None)
    assert len(open_dataset(f"imagenet32:{tmp_path}").train) == 21


def touch(root: Path) -> None:
    os.utime(root / "val_data.npz", ns=(1, 1))


def shorten(root: Path) -> None:
    os.truncate(root / "cache" / "train-pixels.bin", 1000)


def forget(root: Path) -> None:
    (root / "cache" / "test-labels.bin").unlink()


def scribble(root: Path) -> None:
    (root / "cache" / "facts.json").write_text('{"sources": []}')


def add(root: Path) -> None:
    shutil.copy(root / "train_data_batch_2.npz", root / "train_data_batch_1.npz")


@pytest.mark.parametrize("change", [touch, shorten, forget, scribble, add])
def test_a_cache_that_does_not_fit_is_built_again(change: Callable[[Path], None], tmp_path: Path) -> None:
    before = open_dataset(f"imagenet32:{write_all(tmp_path, **SMALL)}")
    fingerprint = before.fingerprint
    change(tmp_path)
    (tmp_path / "cache" / "test-pixels.bin").write_bytes(b"stale")
    after = open_dataset(f"imagenet32:{tmp_path}")
    assert len(after.train) == (33 if change is add else 21)
    assert (after.fingerprint == fingerprint) == (change is not add)
    assert torch.equal(after.test.pixels[:].flatten(1), torch.from_numpy(images(7, 32, 0)))


def test_who_has_the_old_cache_mapped_keeps_it(tmp_path: Path) -> None:
    before = open_dataset(f"imagenet32:{write_all(tmp_path, **SMALL)}")
    expected = before.test.pixels[:]
    write_npz(tmp_path / "val_data.npz", images(3, 32, 5), [1, 2, 3])
    assert len(open_dataset(f"imagenet32:{tmp_path}").test) == 3
    assert torch.equal(before.test.pixels[:], expected)


class Npz(NamedTuple):
    """What stands in a file instead of the right thing."""

    data: object = np.zeros((4, 3072), dtype=np.uint8)
    labels: object = (1, 2, 1, 2)

    def write(self, path: Path) -> None:
        np.savez(path, data=np.asarray(self.data), labels=np.asarray(self.labels))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Npz(data=np.zeros((4, 3072))), r"data is float64 of shape \(4, 3072\), expected uint8 of shape \(4, 3072\)"),
        (Npz(data=np.zeros((4, 12288), np.uint8)), r"shape \(4, 12288\), expected .*open such images as imagenet64"),
        (Npz(data=np.zeros((4, 3, 32, 32), np.uint8)), r"data is uint8 of shape \(4, 3, 32, 32\), expected"),
        (Npz(data=np.zeros((3072, 4), np.uint8).T), r"shape \(4, 3072\), columns first, expected"),
        (Npz(labels=(1, 2, 3)), r"data is uint8 of shape \(4, 3072\), expected uint8 of shape \(3, 3072\)"),
        (Npz(data=np.array([None] * 4)), r"data is object of shape \(4,\)"),
        (Npz(labels=(1.0, 2.0, 1.0, 2.0)), r"labels are float64 of shape \(4,\), expected a row of integers"),
        (Npz(labels=((1,), (2,), (1,), (2,))), r"labels are int64 of shape \(4, 1\), expected a row"),
        (Npz(labels=()), r"labels are float64 of shape \(0,\), expected a row"),
        (Npz(labels=np.array([1, None, 1, 1])), r"labels are object of shape \(4,\), expected a row of integers"),
        (Npz(labels=(0, 1, 1, 1)), r"labels run from 0 to 1, expected 1 to 100000 at most: fetch the file again"),
        (Npz(labels=(1, 1, 1, 10**9)), r"labels run from 1 to 1000000000, expected 1 to 100000"),
    ],
)
def test_train_files_of_another_form_are_named(content: Npz, message: str, tmp_path: Path) -> None:
    write_all(tmp_path, **SMALL)
    content.write(tmp_path / "train_data_batch_10.npz")
    with pytest.raises(InputFileError, match=rf"train_data_batch_10\.npz.*{message}") as caught:
        open_dataset(f"imagenet32:{tmp_path}")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("*.bin"))


def test_test_labels_stay_within_those_of_training(tmp_path: Path) -> None:
    write_all(tmp_path, **SMALL)
    write_npz(tmp_path / "val_data.npz", images(2, 32, 0), [1, 8])
    with pytest.raises(InputFileError, match=r"val_data\.npz: labels run from 1 to 8, expected 1 to 7 .* train files"):
        open_dataset(f"imagenet32:{tmp_path}")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    write_all(tmp_path, **SMALL)
    np.savez(tmp_path / "val_data.npz", labels=np.ones(3, dtype=np.int64), images=np.zeros(3))
    with pytest.raises(InputFileError, match=r"val_data\.npz holds labels, images and no data, expected data and lab"):
        open_dataset(f"imagenet32:{tmp_path}")


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def no_zip(path: Path) -> None:
    path.write_text("not found")


def flipped_bits(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5000:5004] = bytes(255 - value for value in content[5000:5004])
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [(truncated, "not a zip file"), (no_zip, "not a zip file"), (flipped_bits, r"Bad CRC-32 for file 'data\.npy'")],
)
def test_a_damaged_file_is_named_and_leaves_no_cache(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    write_all(tmp_path, **SMALL)
    damage(tmp_path / "train_data_batch_10.npz")
    with pytest.raises(
        InputFileError, match=rf"batch_10\.npz cannot be read \(.*{message}.*\), expected an npz file: f"
    ):
        open_dataset(f"imagenet32:{tmp_path}")
    assert not list((tmp_path / "cache").glob("*.bin"))


@pytest.mark.parametrize(("difference", "word"), [(-5, "fewer"), (-3072, "fewer"), (1, "more")])
def test_another_number_of_bytes_than_the_header_states(difference: int, word: str, tmp_path: Path) -> None:
    write_all(tmp_path, **SMALL)
    data, labels = io.BytesIO(), io.BytesIO()
    np.save(data, images(3, 32, 0))
    np.save(labels, np.array([1, 2, 3]))
    content = data.getvalue()
    content = content[:difference] if difference < 0 else content + bytes(difference)
    with zipfile.ZipFile(tmp_path / "val_data.npz", "w") as archive:
        archive.writestr("data.npy", content)
        archive.writestr("labels.npy", labels.getvalue())
    with pytest.raises(InputFileError, match=rf"val_data\.npz: data holds {word} bytes than its 3 images of 3072"):
        open_dataset(f"imagenet32:{tmp_path}")


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path, **SMALL)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=80_000))
    with pytest.raises(DiskError, match=r"cache: 28 images need 0\.00 GB, 0\.00 GB are free; free space there, or"):
        open_dataset(f"imagenet32:{tmp_path}")
    assert not list((tmp_path / "cache").glob("*.bin"))


def test_a_disk_that_fills_up_leaves_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path, **SMALL)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"cannot write .*cache.*No space left on device; free space or give perm"):
        open_dataset(f"imagenet32:{tmp_path}")
    assert not list((tmp_path / "cache").glob("*.bin"))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    write_all(tmp_path, **SMALL)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DiskError, match=r"cannot write .*cache: File exists; .* or link the npz files into a folder"):
        open_dataset(f"imagenet32:{tmp_path}")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="nowhere is not a folder: expected one that holds train_data_batch_1"):
        open_dataset(f"imagenet64:{tmp_path / 'nowhere'}")
    with pytest.raises(InputFileError, match=r"holds no train_data_batch_1\.npz: expected the npz files of down"):
        open_dataset(f"imagenet64:{tmp_path}")
    write_npz(tmp_path / "train_data_batch_1.npz", images(2, 64, 0), [1, 2])
    with pytest.raises(InputFileError, match=r"holds no val_data\.npz: expected"):
        open_dataset(f"imagenet64:{tmp_path}")


def test_words_around_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean imagenet64:PATH"):
        open_dataset("imagenet64")
    with pytest.raises(UsageError, match="--image-size goes with folder:PATH only"):
        open_dataset(f"imagenet64:{tmp_path}", image_size=32)
