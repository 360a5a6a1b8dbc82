"""Teachers that others trained and published: where they lie and what they expect."""

from dataclasses import dataclass
from pathlib import Path

from studentsearch.download import fetch
from studentsearch.errors import InputFileError, UsageError
from studentsearch.models.library import DEFAULT_WEIGHTS
from studentsearch.models.library_names import LIBRARY_NAMES
from studentsearch.models.names import canonical_name

_RELEASE = "https://github.com/yoshitomo-matsubara/torchdistill/releases/download/v0.1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """Weights of one network for one data set.

    Attributes:
        model: Registry name.
        dataset: Name of the data.
        url: Where the file is published.
        file_name: What it is called on disk.
        sha256: Hash of the file, or its first digits; None where the publisher gives none: then the size is checked
            on arrival, and every tensor by name and shape on loading.
        mean: Per channel, of pixels in 0 to 1, as the weights expect their input normalised.
        std: Per channel, likewise.
        description: Origin and the accuracy its authors state.
    """

    model: str
    dataset: str
    url: str
    file_name: str
    sha256: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    description: str


_PUBLISHED = (
    PublishedWeights(
        model="densenet100_12",
        dataset="cifar10",
        url=f"{_RELEASE}/cifar10-densenet_bc_k12_depth100.pt",
        file_name="cifar10-densenet_bc_k12_depth100.pt",
        sha256=None,
        mean=(0.49139968, 0.48215841, 0.44653091),
        std=(0.24703223, 0.24348513, 0.26158784),
        description="DenseNet-BC (k=12, depth 100) of torchdistill 0.1.1; its authors state 95.53 % on CIFAR-10",
    ),
)


def published_weights(model: str, dataset: str) -> PublishedWeights | None:
    """What is published for a network and a data set.

    Args:
        model: Registry name, short names too.
        dataset: Name of the data, as in `cifar10`.

    Returns:
        The facts, or None where nothing is known.
    """
    wanted = (canonical_name(model), dataset)
    return next((entry for entry in _PUBLISHED if (entry.model, entry.dataset) == wanted), None)


def fetch_published(model: str, dataset: str, *, data_root: Path, download: bool) -> Path:
    """The file of published weights: the one that lies in `data_root`/weights, else downloaded if that is allowed.

    Args:
        model: Registry name, short names too.
        dataset: Name of the data, as in `cifar10`.
        data_root: Folder of data.
        download: Whether the network may be used.

    Returns:
        An existing file for `studentsearch.models.weights.read_weights`.

    What is not published, or missing, is refused by `require_published`.
    """
    entry = require_published(model, dataset, data_root=data_root, download=download)
    return fetch(entry.url, _place(entry, data_root), sha256=entry.sha256)


def require_published(model: str, dataset: str, *, data_root: Path, download: bool) -> PublishedWeights:
    """What is published for a network and a data set; its file lies in `data_root`/weights or may be downloaded.

    Args:
        model: Registry name, short names too.
        dataset: Name of the data, as in `cifar10`.
        data_root: Folder of data.
        download: Whether the network may be used.

    Returns:
        The facts.

    Raises:
        UsageError: Nothing is published for this pair.
        InputFileError: The file is missing and may not be downloaded.
    """
    entry = published_weights(model, dataset)
    if entry is None:
        choices = (
            "--weights FILE"
            if model.partition(":")[0] not in LIBRARY_NAMES
            else f"--weights FILE or --weights {DEFAULT_WEIGHTS}"
        )
        raise UsageError(
            f"no published weights are known for {model} on {dataset}; pass {choices}, or train a teacher with: "
            f"studentsearch teach {model} --data {dataset}"
        )
    path = _place(entry, data_root)
    if not path.exists() and not download:
        raise InputFileError(
            f"{path} is missing (weights of {model} on {dataset}); run again with --download, "
            f"or put the file of {entry.url} there yourself, or pass --weights FILE"
        )
    return entry


def _place(entry: PublishedWeights, data_root: Path) -> Path:
    return data_root / "weights" / entry.file_name
