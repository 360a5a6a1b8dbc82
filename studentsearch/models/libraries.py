"""The libraries whose networks are known by name, and their weights."""

import difflib
from pathlib import Path

from studentsearch.errors import UsageError
from studentsearch.models.library import DEFAULT_WEIGHTS, ChannelStatistics, Library
from studentsearch.models.timm_library import TimmLibrary
from studentsearch.models.torchvision_library import TorchvisionLibrary

LIBRARIES: dict[str, Library] = {"torchvision": TorchvisionLibrary(), "timm": TimmLibrary()}


def library_of(name: str) -> tuple[Library, str] | None:
    """The library that a model's name means, and what the network is called there.

    Args:
        name: Any model name; a library's begins with the library and a colon, as in `torchvision:resnet18`.

    Returns:
        The library and the rest of the name, or None for names of other kinds.

    Raises:
        UsageError: The library has no such network, or is not installed.
    """
    prefix, colon, rest = name.partition(":")
    library = LIBRARIES.get(prefix)
    if library is None or not colon:
        return None
    names = library.names()
    if rest.partition(".")[0] not in names:  # what follows a point names weights
        nearest = difflib.get_close_matches(rest, names, n=3, cutoff=0.5) or names[:1]
        hint = ", ".join(f"{prefix}:{near}" for near in nearest)
        raise UsageError(f'unknown model "{name}"; nearest: {hint}')
    return library, rest


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
    if found is None or not _is_name(weights):
        return weights
    library, rest = found
    return library.weights_file(rest, weights.name, download=download)


def library_statistics(name: str, weights: Path | None) -> ChannelStatistics | None:
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
    return library.statistics(rest, weights.name if weights is not None and _is_name(weights) else DEFAULT_WEIGHTS)


def _is_name(weights: Path) -> bool:
    # Run folders keep a word for weights as a whole path, so the last part is what counts.
    return not weights.suffix and not weights.exists()
