"""Where images come from: one name opens one dataset."""

from pathlib import Path

from studentsearch.data.dataset import Dataset
from studentsearch.data.names import default_data_root, require_data
from studentsearch.data.sources.digits import open_digits
from studentsearch.data.sources.downsampled import open_downsampled
from studentsearch.data.sources.folder import open_folder
from studentsearch.data.sources.function import open_function
from studentsearch.data.sources.published import open_cifar, open_fashion_mnist
from studentsearch.disk import with_home
from studentsearch.progress import Progress, SilentProgress


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
        image_size: Height and width in pixels that the images of a folder are brought to.
        progress: Hears of images that are decoded or unpacked; None for silence.

    Returns:
        The dataset; its `name` opens it again from any working directory.

    What can go wrong is said by `require_data`, which is asked first, and by each source.
    """
    require_data(name, data_root=data_root, download=download, image_size=image_size)
    root = default_data_root() if data_root is None else with_home(data_root)
    listener = progress or SilentProgress()
    kind, _, rest = name.partition(":")
    match kind:
        case "digits":
            return open_digits()
        case "cifar10" | "cifar100":
            return open_cifar(name, root, download=download)
        case "fashion-mnist":
            return open_fashion_mnist(root, download=download)
        case "folder":
            return open_folder(Path(rest), image_size=image_size, progress=listener)
        case "python":
            return open_function(name)
        case _:
            return open_downsampled(Path(rest), int(kind.removeprefix("imagenet")), listener)
