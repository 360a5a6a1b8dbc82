"""Networks that fit the images, and which file of weights a job means."""

from pathlib import Path

import pytest

from studentsearch.data.sources import open_dataset
from studentsearch.errors import InputFileError, UsageError
from studentsearch.jobs.building import fresh_model, weights_file
from studentsearch.jobs.opening import library_normalization, published_normalization
from studentsearch.jobs.options import DataOptions
from studentsearch.models.weights_file import embedded_weights

DIGITS = DataOptions(name="digits")
NAME = "torchvision:resnet18"


def test_a_network_fits_the_data_and_is_to_be_trained() -> None:
    network = fresh_model("resnet8", open_dataset("digits"))
    assert network.training
    assert network.get_submodule("conv1").in_channels == 1
    assert network.get_submodule("fc").out_features == 10


def test_images_that_are_too_small() -> None:
    with pytest.raises(UsageError, match=r"^vgg11 cannot take images of 1x8x8 \(.+\); choose another --image-size"):
        fresh_model("vgg11", open_dataset("digits"))


def test_files_of_weights(tmp_path: Path) -> None:
    assert weights_file("densenet_digits", None, "digits", DIGITS) == embedded_weights("densenet_digits")
    assert weights_file(NAME, tmp_path / "w.pt", "digits", DIGITS) == tmp_path / "w.pt"
    with pytest.raises(
        UsageError, match=r"no published weights .*; pass --weights FILE or --weights DEFAULT, or train"
    ):
        weights_file(NAME, None, "digits", DIGITS)


def test_weights_of_a_library_are_not_fetched_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        InputFileError, match=r"resnet18-f37072fd\.pth is missing \(DEFAULT weights of torchvision:resnet18"
    ):
        weights_file(NAME, Path("DEFAULT"), "digits", DIGITS)


def test_a_librarys_normalization() -> None:
    assert library_normalization("resnet20") is None
    stated = library_normalization(NAME)
    assert stated is not None
    assert stated.mean == (0.485, 0.456, 0.406)
    assert published_normalization(NAME, Path("mine.pt"), DIGITS) == stated
    with pytest.raises(UsageError, match=r'unknown model "torchvision:resnt18"; nearest: torchvision:resnet18'):
        published_normalization("torchvision:resnt18", Path("mine.pt"), DIGITS)
