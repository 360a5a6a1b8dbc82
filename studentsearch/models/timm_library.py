"""timm's networks by name, with timm's weights and the cache of them; needs the extra `timm`."""

import importlib
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Protocol
from urllib.parse import urlsplit

import torch
from torch import nn

from studentsearch.download import fetch
from studentsearch.errors import InputFileError, UsageError
from studentsearch.models.library import DEFAULT_WEIGHTS, Sizes
from studentsearch.records.normalization import Normalization

_FILE_NAME = "model.safetensors"


class _Published(Protocol):
    """What timm says of a network and its weights, as far as it is read here."""

    hf_hub_id: str | None
    hf_hub_filename: str | None
    url: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_size: tuple[int, int, int]
    fixed_input_size: bool
    num_classes: int


class TimmLibrary:
    """`timm:NAME`; a name may say which weights are meant, as in `resnet18.a1_in1k`."""

    def names(self) -> tuple[str, ...]:
        """Every network of timm, sorted."""
        return tuple(_timm().list_models())

    def build(self, name: str, sizes: Sizes) -> nn.Module:
        """A network with fresh weights.

        Args:
            name: A name of timm's.
            sizes: What it must fit; `image_size` matters to networks of one fixed size.

        Returns:
            A network in training mode.

        Raises:
            UsageError: timm is not installed, or has no such network for these sizes.
        """
        is_fixed = _published(name, DEFAULT_WEIGHTS).fixed_input_size
        fixed = {"img_size": sizes.image_size} if is_fixed else {}
        try:
            network: nn.Module = _timm().create_model(
                name, pretrained=False, num_classes=sizes.num_classes, in_chans=sizes.in_channels, **fixed
            )
        except Exception as error:  # what a constructor of timm's raises differs from network to network
            raise UsageError(
                f"timm:{name} cannot be built for {sizes.in_channels} channels and {sizes.image_size} pixels "
                f"({' '.join(str(error).split())}); choose another --image-size or model"
            ) from error
        return network

    def usual_sizes(self, name: str) -> Sizes:
        """What timm publishes the network for."""
        published = _published(name, DEFAULT_WEIGHTS)
        channels, height, width = published.input_size
        return Sizes(num_classes=published.num_classes, in_channels=channels, image_size=min(height, width))

    def statistics(self, name: str, weights: str) -> Normalization:
        """The mean and standard deviation that timm publishes with the weights."""
        published = _published(name, weights)
        return Normalization(mean=tuple(published.mean), std=tuple(published.std))

    def weights_file(self, name: str, weights: str, *, download: bool) -> Path:
        """The file in the cache that timm itself uses; fetched there if that is allowed.

        Args:
            name: A name of timm's.
            weights: `DEFAULT`, or a tag such as `a1_in1k`.
            download: Whether the network may be used.

        Returns:
            An existing file.

        Raises:
            UsageError: timm publishes no such weights.
            InputFileError: The file is missing and may not be downloaded, or cannot be.
        """
        published = _published(name, weights)
        if published.hf_hub_id:
            return _from_hub(name, published.hf_hub_id, published.hf_hub_filename or _FILE_NAME, download=download)
        if not published.url:
            raise UsageError(f"timm publishes no {weights} weights of {name}; pass --weights FILE, or teach it first")
        path = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlsplit(published.url).path).name
        if not path.exists() and not download:
            raise InputFileError(_missing(name, str(path), f"put the file of {published.url} there yourself"))
        return fetch(published.url, path, sha256=None)


def _timm() -> ModuleType:
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; install the extra: pip install 'studentsearch[timm]'"
        ) from error


def _published(name: str, weights: str) -> _Published:
    timm = _timm()
    full_name = name if weights == DEFAULT_WEIGHTS else f"{name.partition('.')[0]}.{weights}"
    try:
        published: _Published | None = timm.get_pretrained_cfg(full_name)
    except RuntimeError:  # a tag that timm does not know
        published = None
    if published is None:
        known = [word.partition(".")[2] for word in timm.list_pretrained(f"{name.partition('.')[0]}.*")]
        expected = f"one of {', '.join((DEFAULT_WEIGHTS, *known))}, or a file" if known else "a file"
        tag = full_name.partition(".")[2] or weights
        raise UsageError(f"timm:{name} has no weights {tag}; expected {expected}")
    return published


def _from_hub(name: str, repository: str, file_name: str, *, download: bool) -> Path:
    hub = importlib.import_module("huggingface_hub")
    try:
        return Path(hub.hf_hub_download(repository, file_name, local_files_only=not download))
    except OSError as error:
        if not download:
            raise InputFileError(_missing(name, f"{repository}/{file_name}", "fetch it elsewhere")) from error
        reason = " ".join(str(error).split())[:200]
        raise InputFileError(
            f"cannot fetch {repository}/{file_name} ({reason}); check the network, or pass --weights FILE"
        ) from error


def _missing(name: str, what: str, cure: str) -> str:
    return f"{what} is missing (weights of timm:{name}); run again with --download, or {cure} and pass --weights FILE"
