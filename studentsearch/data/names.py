"""The names of data, and whether what a name means is there; nothing is opened, and nothing here needs torch."""

import difflib
import os
from pathlib import Path

from studentsearch.data.class_folders import find_class_folders
from studentsearch.data.npz_folder import find_npz
from studentsearch.data.published_files import require_cifar, require_fashion_mnist
from studentsearch.disk import real_path, with_home
from studentsearch.errors import UsageError
from studentsearch.own_function import require_own_function

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
_PUBLISHED = {"cifar10", "cifar100", "fashion-mnist"}
_SIDES = {"imagenet32": 32, "imagenet64": 64}
MAX_IMAGE_SIZE = 8192


def default_data_root() -> Path:
    """Where published datasets lie unless told otherwise.

    Returns:
        The folder in the environment variable STUDENTSEARCH_DATA, else ~/.cache/studentsearch/data.
    """
    told = os.environ.get("STUDENTSEARCH_DATA")
    return with_home(Path(told)) if told else Path.home() / ".cache" / "studentsearch" / "data"


def require_data(name: str, *, data_root: Path | None, download: bool, image_size: int | None) -> None:
    """Refuse data that cannot be opened: everything that is seen without opening a file.

    Args:
        name: As for `studentsearch.data.sources.open_dataset`.
        data_root: Where published datasets lie; `default_data_root()` if None.
        download: Whether a published dataset that is not there is fetched.
        image_size: Height and width in pixels that the images of a folder are brought to.

    Raises:
        UsageError: If no source has that name, or an option does not go with it.
        InputFileError: If a file or folder is missing.
    """
    kind, _, rest = name.partition(":")
    is_folder = kind == "folder" and bool(rest)
    if image_size is not None and not 1 <= image_size <= MAX_IMAGE_SIZE:
        raise UsageError(f"an image size of {image_size} pixels: expected 1 to {MAX_IMAGE_SIZE}")
    if image_size is not None and not is_folder:
        raise UsageError(f"an image size of {image_size} for {name!r}: --image-size goes with folder:PATH only")
    if is_folder:
        find_class_folders(real_path(with_home(Path(rest))))
    elif kind == "python" and rest:
        require_own_function(name, "data")
    elif kind in _SIDES and rest:
        find_npz(real_path(with_home(Path(rest))), _SIDES[kind])
    elif name in _PUBLISHED:
        if not download:
            _require_files(name, default_data_root() if data_root is None else with_home(data_root))
    elif name != "digits":
        raise _unknown(name)


def _require_files(name: str, root: Path) -> None:
    if name == "fashion-mnist":
        require_fashion_mnist(root)
    else:
        require_cifar(name, root)


def _unknown(name: str) -> UsageError:
    nearest = difflib.get_close_matches(name, _NAMES, n=2, cutoff=0.5)
    if name and Path(name).is_dir():
        nearest = [f"folder:{name}"]
    hint = f"did you mean {' or '.join(nearest)}? " if nearest else ""
    return UsageError(f"no data named {name!r}: {hint}expected one of {', '.join(_NAMES)}")
