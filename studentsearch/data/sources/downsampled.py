"""Downsampled ImageNet: the published npz batches, unpacked once into a memory-mapped cache beside them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.dataset import Dataset, Images, channel_statistics
from studentsearch.data.npz_folder import TEST_NAME, NpzFolder, find_npz
from studentsearch.data.sources.npz import NpzBatch, read_pixels, survey_npz
from studentsearch.data.sources.pixel_cache import (
    MAX_CLASSES,
    CacheFacts,
    Part,
    PartFacts,
    SourceFile,
    clear,
    only_builder,
    open_part,
    read_facts,
    require_space,
    source_file,
    write_facts,
    write_part,
)
from studentsearch.disk import real_path, with_home
from studentsearch.errors import InputFileError
from studentsearch.progress import Progress, SilentProgress
from studentsearch.records.normalization import Normalization


def open_downsampled(path: Path, side: int, progress: Progress | None = None) -> Dataset:
    """ImageNet at 32 x 32 or 64 x 64 pixels; the first opening unpacks it to `PATH/cache`, later ones map that.

    The cache is built again where it is not whole, or where an npz file has another size or date than it had.

    Args:
        path: Holds train_data_batch_1.npz ... train_data_batch_10.npz, or some of them, and val_data.npz.
        side: Height and width of the images.
        progress: Hears of the first opening's images; None for silence.

    Returns:
        The dataset; its pixels stay in the cache. Classes are called by their numbers, from "0" on.

    Raises:
        InputFileError: If files are missing, damaged or of another form.
        DiskError: If the cache cannot be written.
    """
    source = find_npz(real_path(with_home(path)), side)
    files = _files(source)
    facts = read_facts(source.cache, files, source.image_shape)
    if facts is not None:
        return _open(source, facts)
    with only_builder(source.cache):
        # Another process may have built it meanwhile.
        facts = read_facts(source.cache, files, source.image_shape)
        return _build(source, files, progress or SilentProgress()) if facts is None else _open(source, facts)


def _files(source: NpzFolder) -> tuple[SourceFile, ...]:
    return tuple(source_file(path) for path in (*source.train, source.path / TEST_NAME))


def _build(source: NpzFolder, files: tuple[SourceFile, ...], progress: Progress) -> Dataset:
    """Unpack all files to the cache; what can be wrong with them is looked for before anything is written."""
    train = [survey_npz(path, source.side) for path in source.train]
    test = survey_npz(source.path / TEST_NAME, source.side)
    num_classes = max(_highest_label(batch, MAX_CLASSES) for batch in train)
    _highest_label(test, num_classes)
    clear(source.cache)
    require_space(source.cache, sum(len(batch.labels) for batch in (*train, test)), source.image_shape)
    try:
        train_facts = write_part(source.cache, "train", _labels(train), _pixels(train, "train", progress))
        test_facts = write_part(source.cache, "test", _labels([test]), _pixels([test], "test", progress))
        images = _open_part(source, "train", train_facts)
        statistics = channel_statistics(images)
        dataset = _dataset(source, num_classes, images, _open_part(source, "test", test_facts), statistics)
        facts = CacheFacts(
            sources=files,
            image_shape=source.image_shape,
            num_classes=num_classes,
            train=train_facts,
            test=test_facts,
            mean=dataset.mean,
            std=dataset.std,
            fingerprint=dataset.fingerprint,
        )
        write_facts(source.cache, facts)
    except BaseException:
        clear(source.cache)
        raise
    return dataset


def _open(source: NpzFolder, facts: CacheFacts) -> Dataset:
    train, test = _open_part(source, "train", facts.train), _open_part(source, "test", facts.test)
    statistics = Normalization(mean=facts.mean, std=facts.std)
    return _dataset(source, facts.num_classes, train, test, statistics, facts.fingerprint)


def _open_part(source: NpzFolder, part: Part, facts: PartFacts) -> Images:
    return open_part(source.cache, part, (facts.num_images, *source.image_shape))


def _dataset(
    source: NpzFolder,
    num_classes: int,
    train: Images,
    test: Images,
    statistics: Normalization,
    known_fingerprint: str | None = None,
) -> Dataset:
    return Dataset(
        name=f"imagenet{source.side}:{source.path}",
        classes=tuple(str(number) for number in range(num_classes)),
        train=train,
        test=test,
        mean=statistics.mean,
        std=statistics.std,
        # An eighth of the height is the field's 4 pixels of 32.
        augmentation=Augmentation(shift=source.side // 8, flip=True),
        known_fingerprint=known_fingerprint,
    )


def _highest_label(batch: NpzBatch, at_most: int) -> int:
    low, high = int(batch.labels.min()), int(batch.labels.max())
    origin = ", the highest of the train files" if at_most < MAX_CLASSES else ""
    if low < 1 or high > at_most:
        raise InputFileError(
            f"{batch.path}: labels run from {low} to {high}, expected 1 to {at_most} at most{origin}: "
            f"fetch the file again"
        )
    return high


def _labels(batches: list[NpzBatch]) -> npt.NDArray[np.int64]:
    return np.concatenate([batch.labels for batch in batches]) - 1


def _pixels(batches: list[NpzBatch], part: Part, progress: Progress) -> Iterator[bytes]:
    progress.begin(f"unpacking {part}", total=sum(len(batch.labels) for batch in batches), first=0, unit="images")
    num_done = 0
    for batch in batches:
        for images in read_pixels(batch):
            yield images
            num_done += len(images) // (3 * batch.side**2)
            progress.advance(num_done, {})
    progress.end()
