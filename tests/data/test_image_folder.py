from pathlib import Path

import numpy as np
import pytest
import torch
from listening import Heard
from PIL import Image

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.sources import open_dataset
from studentsearch.errors import InputFileError, UsageError


def write(path: Path, *, size: tuple[int, int] = (8, 16), mode: str = "RGB", level: int = 100) -> None:
    """An image of one level; `size` is height and width."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size if mode == "L" else (*size, 3)
    Image.fromarray(np.full(shape, level, dtype=np.uint8)).save(path)


def make(root: Path, *, test: str = "test", mode: str = "RGB") -> Path:
    for part, count in (("train", 2), (test, 1)):
        for label, name in enumerate(("cat", "dog", "ant")):
            for number in range(count):
                write(root / part / name / f"{number}.png", mode=mode, level=50 * label + number)
    return root


def test_classes_are_alphabetical_and_images_labelled(tmp_path: Path) -> None:
    made = open_dataset(f"folder:{make(tmp_path)}")
    assert made.classes == ("ant", "cat", "dog")
    assert made.image_shape == (3, 8, 16)
    assert made.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert made.train.pixels[:, 0, 0, 0].tolist() == [100, 101, 0, 1, 50, 51]
    assert made.test.pixels[:, 2, 7, 15].tolist() == [100, 0, 50]
    assert made.augmentation == Augmentation(shift=1, flip=True)


def test_val_stands_in_for_test_and_the_path_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "one")
    make(tmp_path / "other", test="val")
    monkeypatch.chdir(tmp_path)
    one, other = open_dataset("folder:one"), open_dataset("folder:other")
    assert one.fingerprint == other.fingerprint
    assert one.name == f"folder:{tmp_path / 'one'}"


def test_grey_images_have_one_channel_unless_some_are_in_colour(tmp_path: Path) -> None:
    make(tmp_path, mode="L")
    assert open_dataset(f"folder:{tmp_path}").image_shape == (1, 8, 16)
    write(tmp_path / "train" / "cat" / "2.png", level=7)
    mixed = open_dataset(f"folder:{tmp_path}")
    assert mixed.image_shape == (3, 8, 16)
    assert mixed.train.pixels[0, :, 0, 0].tolist() == [100, 100, 100]


def test_jpeg_is_read_and_other_files_are_not(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path / "train" / "cat" / "deeper" / "2.JPEG", level=200)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "train" / ".cache").mkdir()
    assert open_dataset(f"folder:{tmp_path}").train.labels.tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_image_size_resizes_and_crops_the_centre(tmp_path: Path) -> None:
    make(tmp_path)
    image = np.zeros((8, 16, 3), dtype=np.uint8)
    image[:, 4:12] = 255
    Image.fromarray(image).save(tmp_path / "train" / "ant" / "0.png")
    write(tmp_path / "test" / "dog" / "0.png", size=(40, 20))
    made = open_dataset(f"folder:{tmp_path}", image_size=4)
    assert made.image_shape == (3, 4, 4)
    assert made.train.pixels[0, :, 1:3, 1:3].eq(255).all()
    assert made.train.pixels[0, 0, 0, 0] > 200


def test_differing_sizes_name_the_file_and_the_option(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path / "test" / "dog" / "0.png", size=(9, 16))
    with pytest.raises(InputFileError, match=r"test/dog/0\.png is 16 x 9 pixels, 0\.png is 16 x 8.*--image-size"):
        open_dataset(f"folder:{tmp_path}")


def test_image_size_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an image size of 0 pixels: expected 1 to 8192"):
        open_dataset(f"folder:{tmp_path}", image_size=0)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    make(tmp_path)
    damaged = tmp_path / "train" / "dog" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(InputFileError, match=r"train/dog/1\.png does not decode .*replace or remove"):
        open_dataset(f"folder:{tmp_path}")
    damaged.write_text("no image at all")
    with pytest.raises(InputFileError, match=r"train/dog/1\.png does not decode"):
        open_dataset(f"folder:{tmp_path}")


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    make(tmp_path)
    Image.fromarray(np.zeros((8, 16), dtype=np.uint16)).save(tmp_path / "train" / "cat" / "0.png")
    with pytest.raises(InputFileError, match=r"train/cat/0\.png has mode 'I;16', expected 8 bits a channel"):
        open_dataset(f"folder:{tmp_path}")


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="nowhere is not a folder: expected one that holds train/"):
        open_dataset(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(InputFileError, match="holds no train/: expected train/CLASS"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "train").mkdir()
    with pytest.raises(InputFileError, match="holds no test/ or val/"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "val").mkdir()
    with pytest.raises(InputFileError, match="train holds 0 class folders"):
        open_dataset(f"folder:{tmp_path}")
    make(tmp_path, test="val")
    for file in (tmp_path / "val" / "cat").iterdir():
        file.unlink()
    with pytest.raises(InputFileError, match=r"val/cat holds no images: expected \.png"):
        open_dataset(f"folder:{tmp_path}")


@pytest.mark.parametrize(("part", "other"), [("train", "test"), ("test", "train")])
def test_class_folders_must_agree(part: str, other: str, tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path / part / "owl" / "0.png")
    with pytest.raises(InputFileError, match=f"1 classes of .*{part} are not in .*{other}, the first is 'owl'"):
        open_dataset(f"folder:{tmp_path}")


def test_pixels_are_uint8(tmp_path: Path) -> None:
    assert open_dataset(f"folder:{make(tmp_path)}").train.pixels.dtype == torch.uint8


def test_reading_is_heard_to_its_end(tmp_path: Path) -> None:
    heard, root = Heard(), make(tmp_path)
    open_dataset(f"folder:{root}", progress=heard)
    assert heard.phases == []  # nine images
    for number in range(120):
        write(root / "train" / "ant" / f"more{number}.png")
    total = len(list(root.rglob("*.png")))
    open_dataset(f"folder:{root}", progress=heard)
    assert heard.phases == [f"reading: {total} images from 0"]
    assert heard.steps == [100, total]
