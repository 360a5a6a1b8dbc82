import dataclasses

import pytest
import torch

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.dataset import Dataset, Images, channel_mean, channel_std
from studentsearch.errors import InputFileError


def images(count: int, *, size: int = 4, num_classes: int = 2) -> Images:
    pixels = torch.arange(count * 3 * size * size).remainder(256).to(torch.uint8).view(count, 3, size, size)
    return Images(pixels=pixels, labels=torch.arange(count) % num_classes)


def dataset(train: Images, test: Images) -> Dataset:
    return Dataset(
        name="made",
        classes=("cat", "dog"),
        train=train,
        test=test,
        mean=channel_mean(train),
        std=channel_std(train),
        augmentation=Augmentation(),
    )


def test_properties() -> None:
    made = dataset(images(6), images(2))
    assert made.num_classes == 2
    assert made.image_shape == (3, 4, 4)
    assert len(made.train) == 6


def test_fingerprint_follows_what_is_learnt_from() -> None:
    made = dataset(images(6), images(2))
    assert len(made.fingerprint) == 64
    assert made.fingerprint == dataset(images(6), images(2)).fingerprint
    assert made.fingerprint == dataclasses.replace(made, name="other").fingerprint
    other_label = Images(pixels=made.train.pixels, labels=1 - made.train.labels)
    other_pixel = made.train.pixels.clone()
    other_pixel[0, 0, 0, 0] += 1
    for changed in (
        dataclasses.replace(made, train=other_label),
        dataclasses.replace(made, train=Images(pixels=other_pixel, labels=made.train.labels)),
        dataclasses.replace(made, classes=("cat", "cow")),
        dataset(images(2), images(6)),
    ):
        assert changed.fingerprint != made.fingerprint


def test_a_known_fingerprint_is_taken_and_does_not_outlive_the_data() -> None:
    made = dataclasses.replace(dataset(images(6), images(2)), known_fingerprint="known")
    assert made.fingerprint == "known"
    assert dataclasses.replace(made, train=images(4)).fingerprint == dataset(images(4), images(2)).fingerprint


def test_statistics_are_those_of_the_pixels() -> None:
    made = images(50)
    pixels = made.pixels.double().transpose(0, 1).flatten(1) / 255
    assert channel_mean(made) == tuple(round(float(figure), 4) for figure in pixels.mean(1))
    assert channel_std(made) == tuple(round(float(figure), 4) for figure in pixels.std(1, correction=0))


def test_a_constant_channel_can_be_divided_by() -> None:
    made = Images(pixels=torch.full((2, 1, 3, 3), 51, dtype=torch.uint8), labels=torch.zeros(2, dtype=torch.int64))
    assert channel_mean(made) == (0.2,)
    assert channel_std(made) == (0.0039,)


def test_pixels_of_another_form_are_refused() -> None:
    labels = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(
        InputFileError, match=r"pixels are torch\.float32 of shape \(2, 3, 4, 4\), expected torch\.uint8"
    ):
        Images(pixels=torch.zeros(2, 3, 4, 4), labels=labels)
    with pytest.raises(InputFileError, match=r"expected torch\.int64 of shape \[3\]"):
        Images(pixels=torch.zeros(3, 1, 4, 4, dtype=torch.uint8), labels=labels)


def test_labels_outside_the_classes_are_refused() -> None:
    with pytest.raises(InputFileError, match=r"made \(test\): labels run from 0 to 2, expected 0 to 1 for 2 classes"):
        dataset(images(4), images(4, num_classes=3))


def test_parts_must_agree() -> None:
    with pytest.raises(InputFileError, match=r"train images are \[3, 4, 4\], test images \[3, 5, 5\]"):
        dataset(images(4), images(4, size=5))
    with pytest.raises(InputFileError, match=r"made \(test\): no images"):
        dataset(images(4), images(4).select(torch.arange(0)))
    with pytest.raises(InputFileError, match="1 means and 3 standard deviations, expected one a channel, 3"):
        dataclasses.replace(dataset(images(4), images(4)), mean=(0.5,))
