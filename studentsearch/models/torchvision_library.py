"""torchvision's classification networks by name, with torchvision's weights and its cache of them."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import torch
import torchvision
from torch import nn
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models._api import WeightsEnum

from studentsearch.download import fetch
from studentsearch.errors import InputFileError, UsageError
from studentsearch.models.library import Sizes
from studentsearch.records.normalization import Normalization

_HASH = re.compile(r"-([0-9a-f]{8,})\.[^.]+$")  # torchvision's file names end in the first digits of their SHA-256
# Their published weights expect pixels in -1 to 1; torchvision puts a second normalisation into the network for that,
# which is left out here: inputs normalised so are the same.
_CENTERED = ("googlenet", "inception_v3")
_HALF = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
_RGB = 3
_IMAGENET = Sizes(num_classes=1000, in_channels=_RGB, image_size=224)


class TorchvisionLibrary:
    """`torchvision:NAME`."""

    def names(self) -> tuple[str, ...]:
        """Every classification network of torchvision, sorted."""
        return tuple(list_models(module=torchvision.models))

    def build(self, name: str, sizes: Sizes) -> nn.Module:
        """A network with fresh weights and without heads that only training uses.

        Args:
            name: One of `names()`.
            sizes: What it must fit; `image_size` matters to networks of one fixed size.

        Returns:
            A network in training mode.

        Raises:
            UsageError: torchvision has no such network for these sizes.
        """
        if sizes.in_channels != _RGB:
            raise UsageError(
                f"torchvision:{name} takes images of {_RGB} channels, found {sizes.in_channels}; choose another "
                "model, or write python:module:function that changes its first layer"
            )
        network: nn.Module
        try:
            if name in _CENTERED:
                network = get_model(name, num_classes=sizes.num_classes, aux_logits=False, init_weights=True)
            elif name.startswith("vit_"):
                network = get_model(name, num_classes=sizes.num_classes, image_size=sizes.image_size)
            elif name.startswith("maxvit_"):
                network = get_model(name, num_classes=sizes.num_classes, input_size=(sizes.image_size,) * 2)
            else:
                network = get_model(name, num_classes=sizes.num_classes)
        except (ValueError, AssertionError, RuntimeError) as error:
            raise UsageError(
                f"torchvision:{name} cannot be built for images of {sizes.image_size} pixels "
                f"({' '.join(str(error).split())}); choose another --image-size or model"
            ) from error
        return network

    def usual_sizes(self, name: str) -> Sizes:  # noqa: ARG002
        """ImageNet's: 1000 classes, 3x224x224."""
        return _IMAGENET

    def statistics(self, name: str, weights: str) -> Normalization:
        """The mean and standard deviation in the weights' own transforms."""
        if name in _CENTERED:
            return _HALF
        transforms = _find(name, weights).transforms()
        return Normalization(mean=tuple(transforms.mean), std=tuple(transforms.std))

    def weights_file(self, name: str, weights: str, *, download: bool) -> Path:
        """The file in torchvision's cache ($TORCH_HOME), its hash checked; fetched there if that is allowed.

        Args:
            name: One of `names()`.
            weights: `DEFAULT` or a member of the network's weights enum, such as `IMAGENET1K_V1`.
            download: Whether the network may be used.

        Returns:
            An existing file.

        Raises:
            UsageError: The network has no such weights.
            InputFileError: The file is missing and may not be downloaded, or has another hash.
        """
        url = _find(name, weights).url
        file_name = PurePosixPath(urlsplit(url).path).name
        path = Path(torch.hub.get_dir()) / "checkpoints" / file_name
        if not path.exists() and not download:
            raise InputFileError(
                f"{path} is missing ({weights} weights of torchvision:{name}); run again with --download, or put the "
                f"file of {url} there yourself, or pass --weights FILE"
            )
        digits = _HASH.search(file_name)
        return fetch(url, path, sha256=None if digits is None else digits[1])


def _find(name: str, weights: str) -> WeightsEnum:
    members: dict[str, WeightsEnum] = dict(get_model_weights(name).__members__)
    found = members.get(weights)
    if found is None:
        known = ", ".join(members)
        raise UsageError(f"torchvision:{name} has no weights {weights}; expected one of {known}, or a file")
    return found
