"""From a model's name and the images to a network that fits them, and to the file of its weights."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from studentsearch.data.dataset import Dataset
from studentsearch.data.names import default_data_root
from studentsearch.jobs.options import DataOptions
from studentsearch.jobs.outputs import refuse_several_inputs, required_inputs
from studentsearch.models.libraries import library_weights
from studentsearch.models.preparation import prepared, unwrapped
from studentsearch.models.published import fetch_published
from studentsearch.models.registry import build_model
from studentsearch.models.weights_file import embedded_weights


def fresh_model(name: str, dataset: Dataset) -> nn.Module:
    """A network by name, with fresh weights, that was tried on one image of the data's size.

    Args:
        name: Any model name.
        dataset: The images that it must fit.

    Returns:
        A network in training mode.

    Raises:
        UsageError: No such name, or a network that cannot take such images or cannot be followed.
    """
    channels, height, width = dataset.image_shape
    module = build_model(name, num_classes=dataset.num_classes, in_channels=channels, image_size=min(height, width))
    refuse_several_inputs(name, required_inputs(unwrapped(module)))
    return prepared(module, name, dataset.image_shape)


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
