"""The 1,797 handwritten digits that come with scikit-learn: 8 x 8 pixels, no download."""

import torch
from sklearn.datasets import load_digits

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.dataset import Dataset, Images, channel_mean, channel_std
from studentsearch.randomness import generator

_NUM_TRAIN = 1397


def open_digits() -> Dataset:
    """The digits, always split the same way: 1,397 to learn from, 400 to judge by.

    Returns:
        Ten classes of `[1, 8, 8]`, grey levels 0..16 stretched to 0..255.
    """
    bunch = load_digits()
    grey = torch.from_numpy(bunch.images).mul(255 / 16).round().to(torch.uint8)
    every = Images(pixels=grey.unsqueeze(1), labels=torch.from_numpy(bunch.target).to(torch.int64))
    order = torch.randperm(len(every), generator=generator(0, "digits split", 0))
    train = every.select(order[:_NUM_TRAIN])
    return Dataset(
        name="digits",
        classes=tuple(str(digit) for digit in range(10)),
        train=train,
        test=every.select(order[_NUM_TRAIN:]),
        mean=channel_mean(train),
        std=channel_std(train),
        augmentation=Augmentation(shift=1),
    )
