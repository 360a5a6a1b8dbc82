"""No image, npz or idx file starts a program, hangs, or takes more memory than the data that it may hold."""

import gzip
import io
import os
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from npz_files import images, write_npz
from PIL import Image
from torchvision import datasets

from studentsearch.data.sources import image_file as image_module
from studentsearch.data.sources import open_dataset
from studentsearch.data.sources.idx import read_idx
from studentsearch.data.sources.image_file import read_image
from studentsearch.data.sources.npz import read_pixels, survey_npz
from studentsearch.data.sources.pixel_cache import read_facts
from studentsearch.errors import InputFileError

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(ran) (w) file closefile\nshowpage\n"

TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (8, 8), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that claims a size, with chunks written by hand."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    every = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in every
    )


HOSTILE: dict[str, Callable[[], bytes]] = {
    "eps.png": lambda: EPS,
    "pdf.jpg": lambda: encoded("PDF"),
    "gif.png": lambda: encoded("GIF", "P"),
    "tiff.bmp": lambda: encoded("TIFF"),
    "psd.png": lambda: b"8BPS\0\1" + bytes(20),
    "icns.png": lambda: b"icns" + bytes(20),
    "bomb.png": lambda: png(100_000, 100_000, (b"IDAT", zlib.compress(bytes(1_000_000)))),
    "wide.png": lambda: png(2**31 - 1, 1, (b"IDAT", zlib.compress(b"\0"))),
    "no_size.png": lambda: png(0, 0),
    "above_our_bound.png": lambda: png(9000, 9000, (b"IDAT", zlib.compress(b"\0"))),
    "no_data.png": lambda: png(8, 8),
    "text_bomb.png": lambda: png(8, 8, (b"zTXt", b"k\0\0" + zlib.compress(bytes(20_000_000)))),
    "profile_bomb.png": lambda: png(8, 8, (b"iCCP", b"k\0\0" + zlib.compress(bytes(20_000_000)))),
    "bomb.ppm": lambda: b"P6 99999 99999 255\n",
    "huge_number.ppm": lambda: b"P6 " + b"9" * 5000 + b" 1 255\n",
    "bomb.bmp": lambda: (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "negative.bmp": lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -8, 8, 1, 24, 0, 0, 0, 0, 0, 0),
    "truncated.jpg": lambda: encoded("JPEG", size=(64, 64))[:-40],
    "truncated.webp": lambda: encoded("WEBP", size=(64, 64))[:-20],
    "sixteen.png": lambda: encoded("PNG", "I;16"),
    "numbers.pgm": lambda: encoded("PPM", "I;16"),
    "empty.png": lambda: b"",
    "text.jpg": lambda: b"<html>not found</html>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_image_is_refused_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", start)
    path = tmp_path / name
    path.write_bytes(HOSTILE[name]())
    with warnings.catch_warnings(action="ignore"), pytest.raises(InputFileError) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_pipe, "is not a regular file"),
        (Path.mkdir, "is not a regular file"),
        (make_loop, "Too many levels of symbolic links"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
        (lambda path: path.symlink_to("nothing"), "No such file"),
    ],
)
def test_what_is_no_regular_file_is_refused(make: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    make(tmp_path / "z.png")
    with pytest.raises(InputFileError, match=words):
        read_image(tmp_path / "z.png")


def test_a_file_above_the_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "z.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr(image_module, "MAX_IMAGE_BYTES", 10)
    with pytest.raises(InputFileError, match=r"has \d+ bytes; expected at most 10; replace or remove the image"):
        read_image(tmp_path / "z.png")


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        (encoded("PNG", "P"), (3, 8, 8)),
        (encoded("PNG", "1"), (1, 8, 8)),
        (encoded("PNG", "RGBA"), (3, 8, 8)),
        (encoded("JPEG", "CMYK"), (3, 8, 8)),
        (encoded("JPEG", size=(4, 8), exif=TURNED), (3, 8, 4)),
        (encoded("PNG", save_all=True, append_images=[Image.new("RGB", (8, 8), "white")]), (3, 8, 8)),
        (encoded("WEBP", save_all=True, append_images=[Image.new("RGB", (8, 8), "white")]), (3, 8, 8)),
    ],
)  # fmt: skip
def test_unusual_images_are_read_whatever_their_suffix(content: bytes, shape: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "z.png").write_bytes(content)
    pixels = read_image(tmp_path / "z.png")
    assert pixels.shape == shape
    assert int(pixels.float().mean()) in {0, 255}  # the first frame alone


def classes(root: Path) -> Path:
    for part in ("train", "test"):
        for name in ("ant", "bee"):
            (root / part / name).mkdir(parents=True)
            (root / part / name / "0.png").write_bytes(encoded("PNG"))
    return root


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J", b"\xff".decode(errors="surrogateescape")])
def test_class_names_are_text(name: str, tmp_path: Path) -> None:
    (classes(tmp_path) / "train" / "bee").rename(tmp_path / "train" / name)
    (tmp_path / "test" / "bee").rename(tmp_path / "test" / name)
    with pytest.raises(InputFileError, match="control characters or not in UTF-8; rename it") as caught:
        open_dataset(f"folder:{tmp_path}")
    assert str(caught.value).isprintable()


def test_links_that_lead_back_are_not_followed(tmp_path: Path) -> None:
    (classes(tmp_path) / "train" / "ant" / "again").symlink_to("..")
    assert len(open_dataset(f"folder:{tmp_path}").train) == 2


def test_a_bomb_in_a_folder_gives_no_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    (classes(tmp_path) / "test" / "bee" / "1.png").write_bytes(png(10_000, 10_000))
    with pytest.raises(InputFileError, match=r"1\.png is 10000 x 10000 pixels, expected at most 67,108,864"):
        open_dataset(f"folder:{tmp_path}")
    assert not recwarn.list


def member(shape: str, descr: str = "'|u1'", version: bytes = b"\1\0", length: int | None = None) -> bytes:
    """An npy file of a header alone."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    size = len(header) if length is None else length
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", size) + header


def npz(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (member("(10**12,)", "'<i8'"), "cannot be read"),
        (member("(1000000000000,)", "'<i8'"), "expected a row of integers, 1 to 10,000,000"),
        (member("(9999999,)", "'<i8'"), "labels hold fewer bytes than their 9999999 integers"),
        (member("(1,)", "'<i8'") + bytes(20_000_000), "labels hold more bytes than their 1 integers"),
        (member("(-1,)", "'<i8'"), "expected a row of integers"),
        (member("(1,)", "'|O'") + pickle.dumps(1), "labels are object"),
        (member("(1,)", "[('a', '<i8'), ('b', '|O')]"), "expected a row of integers"),
        (member("(" * 3000), "cannot be read"),
        (member("(1,)", "-" * 9000 + "1"), "cannot be read"),
        (member("(1,)", version=b"\2\0", length=2**32 - 1) + bytes(5_000_000), "array header of 4,294,967,295 bytes"),
        (member("(1,)", version=b"\7\0"), "cannot be read"),
    ],
)
def test_npz_counts_are_checked_before_they_are_read(labels: bytes, words: str, tmp_path: Path) -> None:
    path = npz(tmp_path / "val_data.npz", labels=labels, data=member("(1, 3072)"))
    with pytest.raises(InputFileError, match=words) as caught:
        survey_npz(path, 32)
    assert "\n" not in str(caught.value)


def test_pixels_of_an_npz_are_never_more_than_its_labels_say(tmp_path: Path) -> None:
    data = member("(1, 3072)") + bytes(20_000_000)
    batch = survey_npz(npz(tmp_path / "val_data.npz", labels=member("(1,)", "'|u1'") + b"\1", data=data), 32)
    with pytest.raises(InputFileError, match="data holds more bytes than its 1 images"):
        list(read_pixels(batch))
    assert make_pipe(tmp_path / "pipe.npz") is None
    with pytest.raises(InputFileError, match="is not a regular file"):
        survey_npz(tmp_path / "pipe.npz", 32)


@pytest.mark.parametrize(
    "change", ['"num_classes": 1000000000000', '"num_classes": -1', '"mean": [NaN]', '"std": "much"', '"train": []']
)
def test_facts_of_a_cache_that_lie_are_no_facts(change: str, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "facts.json").write_text("{" + change + "}")
    assert read_facts(tmp_path / "cache", (), (3, 32, 32)) is None


def test_npz_as_published_is_read(tmp_path: Path) -> None:
    write_npz(tmp_path / "val_data.npz", images(3, 32, 0), [1, 2, 3])
    assert survey_npz(tmp_path / "val_data.npz", 32).labels.tolist() == [1, 2, 3]
    write_npz(tmp_path / "val_data.npz", images(3, 32, 0), np.array([1, 2, 3], dtype=np.uint16))
    assert survey_npz(tmp_path / "val_data.npz", 32).labels.dtype == np.int64


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(bytes(70_000_000)), "unpacks to more than 67,108,864 bytes"),
        (gzip.compress(b"\0\0\x08\3" + struct.pack(">III", 2**32 - 1, 2**32 - 1, 2**32 - 1)), "do not fit its header"),
        (gzip.compress(b"\0\0\x08\3" + struct.pack(">III", 0, 28, 28)), "do not fit its header"),
        (gzip.compress(b"\0\0\x08\1" + struct.pack(">I", 1) + b"1"), "with 3 axes"),
        (gzip.compress(b"x")[:-6], "cannot be read"),
    ],
)
def test_idx_files_are_bounded(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(InputFileError, match=words):
        read_idx(tmp_path, "train-images-idx3", num_axes=3)


class RunsCode:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(("name", "kind"), [("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)])
def test_cifar_is_not_unpickled_unless_its_md5_is_right(
    name: str, kind: type[datasets.CIFAR10], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    for file in [*(entry[0] for entry in (*kind.train_list, *kind.test_list)), kind.meta["filename"]]:
        (folder / file).write_bytes(pickle.dumps(RunsCode()))
    with pytest.raises(InputFileError, match=f"is not the whole of {name}"):
        open_dataset(name, data_root=tmp_path)
    assert not (tmp_path / "ran").exists()
