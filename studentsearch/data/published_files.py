"""Where the files of published data sets lie; none is opened, and nothing here needs torch."""

from pathlib import Path

from studentsearch.errors import InputFileError

# torchvision's folders, and the archives from which it unpacks them
_CIFAR = {
    "cifar10": ("cifar-10-batches-py", "cifar-10-python.tar.gz"),
    "cifar100": ("cifar-100-python", "cifar-100-python.tar.gz"),
}
_DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
IDX_FILES = {"train-images-idx3": 3, "train-labels-idx1": 1, "t10k-images-idx3": 3, "t10k-labels-idx1": 1}
"""The files of the MNIST family, and how many axes each has."""


def require_cifar(name: str, root: Path) -> None:
    """Refuse a folder without the files of CIFAR-10 or CIFAR-100; whether they are whole is seen when they are read.

    Args:
        name: "cifar10" or "cifar100".
        root: The folder of named data.

    Raises:
        InputFileError: If neither torchvision's folder nor its archive is there.
    """
    folder, archive = _CIFAR[name]
    if not (root / folder).is_dir() and not (root / archive).is_file():
        raise missing_files(name, root / folder, searched=(root,))


def raw_fashion_mnist(root: Path) -> Path:
    """Where torchvision keeps Fashion-MNIST.

    Args:
        root: The folder of named data.

    Returns:
        The folder, which may be missing.
    """
    return root / "FashionMNIST" / "raw"


def find_fashion_mnist(root: Path) -> Path | None:
    """The folder that holds the files of Fashion-MNIST.

    Args:
        root: The folder of named data.

    Returns:
        torchvision's folder, that of Debian's package dataset-fashion-mnist, or None.
    """
    for folder in (raw_fashion_mnist(root), _DEBIAN_FASHION_MNIST):
        if all(find_idx(folder, name) for name in IDX_FILES):
            return folder
    return None


def require_fashion_mnist(root: Path) -> Path:
    """The folder that holds the files of Fashion-MNIST.

    Args:
        root: The folder of named data.

    Returns:
        The folder.

    Raises:
        InputFileError: If they are in none.
    """
    folder = find_fashion_mnist(root)
    if folder is None:
        raise missing_files("fashion-mnist", raw_fashion_mnist(root), searched=(root, _DEBIAN_FASHION_MNIST))
    return folder


def find_idx(folder: Path, name: str) -> Path | None:
    """The idx file of that name in a folder.

    Args:
        folder: Where to look.
        name: The file's name without its type, such as "train-images-idx3".

    Returns:
        The plain file if it is there, else the gzipped one, else None.
    """
    for suffix in ("-ubyte", "-ubyte.gz"):
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return path
    return None


def missing_files(name: str, folder: Path, *, searched: tuple[Path, ...]) -> InputFileError:
    """What a user is told whose data set is not there.

    Args:
        name: Of the data.
        folder: Where its files would be looked for.
        searched: Where they were looked for.

    Returns:
        An error to raise.
    """
    places = " and ".join(str(place) for place in searched)
    return InputFileError(
        f"{name} is not there (searched {places}): run again with --download, put torchvision's files at {folder} "
        f"yourself, or use your own images with folder:PATH"
    )
