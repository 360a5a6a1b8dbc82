"""The embedded data: 1,797 handwritten digits of 8 x 8 pixels, without a download.

Source:
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998
    (CC BY 4.0): the test set, grey levels 0..16.
"""

from pathlib import Path

import numpy as np
import torch

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.dataset import Dataset, Images, channel_mean, channel_std
from studentsearch.randomness import generator

_NUM_TRAIN = 1397


def open_digits() -> Dataset:
    """The digits, always split the same way: 1,397 to learn from, 400 to test on.

    Returns:
        Ten classes of `[1, 8, 8]`, grey levels 0..16 stretched to 0..255.
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        images, labels = torch.from_numpy(file["images"]), torch.from_numpy(file["labels"])
    grey = images.double().mul(255 / 16).round().to(torch.uint8)
    every = Images(pixels=grey.unsqueeze(1), labels=labels.to(torch.int64))
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
