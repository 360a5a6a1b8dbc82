"""Where pictures come from: one name opens one dataset."""

import difflib
import os
from pathlib import Path

from studentsearch.data.dataset import Dataset
from studentsearch.data.sources.digits import open_digits
from studentsearch.data.sources.downsampled import open_downsampled
from studentsearch.data.sources.folder import open_folder
from studentsearch.data.sources.function import open_function
from studentsearch.data.sources.published import open_cifar, open_fashion_mnist
from studentsearch.errors import UsageError
from studentsearch.progress import Progress, SilentProgress

_NAMES = (
    "digits",
    "cifar10",
    "cifar100",
    "fashion-mnist",
    "imagenet32:PATH",
    "imagenet64:PATH",
    "folder:PATH",
    "python:module:function",
)


def default_data_root() -> Path:
    """Where published datasets lie unless told otherwise.

    Returns:
        The folder in the environment variable STUDENTSEARCH_DATA, else ~/.cache/studentsearch/data.
    """
    told = os.environ.get("STUDENTSEARCH_DATA")
    return Path(told).expanduser() if told else Path.home() / ".cache" / "studentsearch" / "data"


def open_dataset(
    name: str,
    *,
    data_root: Path | None = None,
    download: bool = False,
    image_size: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The dataset of that name, decoded: in memory, except for ImageNet, whose pixels stay in a mapped file.

    Args:
        name: "digits", "cifar10", "cifar100", "fashion-mnist", "imagenet64:PATH" (a folder with the npz batches of
            ImageNet at 64 x 64 pixels; "imagenet32:PATH" likewise), "folder:PATH" or "python:module:function".
        data_root: Where published datasets lie; `default_data_root()` if None.
        download: Fetch a published dataset that is not there.
        image_size: Height and width in pixels that the pictures of a folder are brought to.
        progress: Hears of pictures that are decoded or unpacked; None for silence.

    Returns:
        The dataset; its `name` opens it again from any working directory.

    Raises:
        UsageError: If no source has that name, or an option does not go with it.
        InputFileError: If files are missing, unreadable or of another form.
        DiskError: If ImageNet cannot be unpacked beside its files.
    """
    listener = progress or SilentProgress()
    kind, colon, rest = name.partition(":")
    if colon and rest and kind == "folder":
        return open_folder(Path(rest), image_size=image_size, progress=listener)
    if image_size is not None:
        raise UsageError(f"an image size of {image_size} for {name!r}: --image-size goes with folder:PATH only")
    if colon and rest and kind == "python":
        return open_function(name)
    if colon and rest and kind in {"imagenet32", "imagenet64"}:
        return open_downsampled(Path(rest), int(kind.removeprefix("imagenet")), listener)
    root = default_data_root() if data_root is None else data_root.expanduser()
    match name:
        case "digits":
            return open_digits()
        case "cifar10" | "cifar100":
            return open_cifar(name, root, download=download)
        case "fashion-mnist":
            return open_fashion_mnist(root, download=download)
        case _:
            raise _unknown(name)


def _unknown(name: str) -> UsageError:
    nearest = difflib.get_close_matches(name, _NAMES, n=2, cutoff=0.5)
    if name and Path(name).is_dir():
        nearest = [f"folder:{name}"]
    hint = f"did you mean {' or '.join(nearest)}? " if nearest else ""
    return UsageError(f"no data named {name!r}: {hint}expected one of {', '.join(_NAMES)}")
