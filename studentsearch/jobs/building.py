"""From a model's name and the images to a network that fits them, and to the file of its weights."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn

from studentsearch.data.dataset import Dataset
from studentsearch.data.sources import default_data_root
from studentsearch.errors import UsageError
from studentsearch.jobs.options import DataOptions
from studentsearch.models.libraries import library_weights
from studentsearch.models.published import fetch_published
from studentsearch.models.registry import build_model
from studentsearch.models.weights import embedded_weights


def fresh_model(name: str, dataset: Dataset) -> nn.Module:
    """A network by name, with fresh weights, that was tried on one picture of the data's size.

    Args:
        name: Any model name.
        dataset: The images that it must fit.

    Returns:
        A network in training mode.

    Raises:
        UsageError: No such name, or the network cannot take such pictures.
    """
    channels, height, width = dataset.image_shape
    module = build_model(name, num_classes=dataset.num_classes, in_channels=channels, image_size=min(height, width))
    try:
        with torch.no_grad():
            copy.deepcopy(module).eval()(torch.zeros(1, channels, height, width))
    except Exception as error:  # a network of the user's own may raise anything
        raise UsageError(
            f"{name} cannot take pictures of {channels}x{height}x{width} ({' '.join(str(error).split())[:200]}); "
            "choose another --image-size or model"
        ) from error
    return module


def weights_file(name: str, weights: Path | None, dataset: str, options: DataOptions) -> Path:
    """The file of a network's weights.

    Args:
        name: Any model name.
        weights: A file, or the name of a library's weights; None means embedded or published ones.
        dataset: Name of the data.
        options: Where published weights lie and whether they may be fetched.

    Returns:
        A file for `studentsearch.models.weights.read_weights`; what the user names is not looked for yet.
    """
    if weights is not None:
        return library_weights(name, weights, download=options.download)
    embedded = embedded_weights(name)
    if embedded is not None and dataset == "digits":
        return embedded
    return fetch_published(name, dataset, data_root=options.data_root or default_data_root(), download=options.download)
