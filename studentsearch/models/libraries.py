"""The libraries whose networks are known by name, and their weights."""

from pathlib import Path

from studentsearch.models.library import DEFAULT_WEIGHTS, Library
from studentsearch.models.library_names import names_library_weights, require_library_name
from studentsearch.models.reference import parse_model
from studentsearch.models.timm_library import TimmLibrary
from studentsearch.models.torchvision_library import TorchvisionLibrary
from studentsearch.records.normalization import Normalization

LIBRARIES: dict[str, Library] = {"torchvision": TorchvisionLibrary(), "timm": TimmLibrary()}


def library_of(name: str) -> tuple[Library, str] | None:
    """The library that a model's name means, and what the network is called there.

    Args:
        name: Any model name; a library's begins with the library and a colon, as in `torchvision:resnet18`.

    Returns:
        The library and the rest of the name, or None for names of other kinds.

    A library that has no such network, or is not installed, is refused with a UsageError.
    """
    reference = parse_model(name)
    if reference.kind != "library":
        return None
    require_library_name(reference.library, reference.network)
    return LIBRARIES[reference.library], reference.network


def library_weights(name: str, weights: Path, *, download: bool) -> Path:
    """The file of weights that a user means.

    Args:
        name: Any model name.
        weights: A file, or the name of a library's weights, such as `DEFAULT`.
        download: Whether the network may be used.

    Returns:
        The file; `weights` itself where it names no weights of a library.
    """
    found = library_of(name)
    if found is None or not names_library_weights(name, weights):
        return weights
    library, rest = found
    return library.weights_file(rest, weights.name, download=download)


def library_statistics(name: str, weights: Path | None) -> Normalization | None:
    """How inputs of a library's network are normalised.

    Args:
        name: Any model name.
        weights: As for `library_weights`; None and files of the user's own mean the library's usual normalisation.

    Returns:
        The statistics, or None for a network of no library.
    """
    found = library_of(name)
    if found is None:
        return None
    library, rest = found
    is_named = weights is not None and names_library_weights(name, weights)
    return library.statistics(rest, weights.name if weights is not None and is_named else DEFAULT_WEIGHTS)
