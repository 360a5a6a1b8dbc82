"""How fast ImageNet at 64 x 64 pixels is unpacked, opened and made into training batches.

    python tests/benchmarks/imagenet64.py --images 20000

The files are generated. Everything is measured in one run on one thread, so that the ratios hold on other machines.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.batches import Batches, hold_out
from studentsearch.data.dataset import Dataset, Images
from studentsearch.data.sources import open_dataset
from studentsearch.records.normalization import Normalization

_SIDE = 64
_NUM_FILES = 4
_NUM_TEST = 500
_NUM_CLASSES = 1000
_ROUNDS = 7
_STEPS = 12
_SHIFT_FLIP = Augmentation(shift=8, flip=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Time that something took: on the clock, and of the processor."""

    wall: float
    cpu: float


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000, help="to learn from, in four files")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="where to generate the files (default: the system's temporary one)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for compressed in (False, True):
            path = Path(folder) / ("compressed" if compressed else "plain")
            _write_files(path, options.images, compressed=compressed)
            dataset = _measure_opening(path)
        _measure_batches(dataset, options.batch)


def _write_files(folder: Path, num_images: int, *, compressed: bool) -> None:
    folder.mkdir()
    write = np.savez_compressed if compressed else np.savez
    random = np.random.default_rng(0)
    names = [f"train_data_batch_{number}.npz" for number in range(1, _NUM_FILES + 1)] + ["val_data.npz"]
    for name in names:
        count = _NUM_TEST if name.startswith("val") else num_images // _NUM_FILES
        data = _images(count, random)
        # The highest label is that of the first image, so that every file may hold any class.
        labels = np.concatenate([[_NUM_CLASSES], random.integers(1, _NUM_CLASSES + 1, count - 1)])
        write(folder / name, data=data, labels=labels, mean=data.mean(axis=0))


def _images(count: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Smooth images with some noise, so that deflate has work to do."""
    coarse = random.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8).repeat(8, axis=2).repeat(8, axis=3)
    noise = random.integers(0, 16, coarse.shape, dtype=np.uint8)
    return (coarse // 4 * 3 + noise).reshape(count, -1)


def _measure_opening(path: Path) -> Dataset:
    name = f"imagenet{_SIDE}:{path}"
    size = sum(file.stat().st_size for file in path.glob("*.npz"))
    build, opening = (_timed(lambda: open_dataset(name)) for _ in range(2))
    dataset = open_dataset(name)
    count = len(dataset.train) + len(dataset.test)
    share = size / (count * 3 * _SIDE * _SIDE)
    print(f"{path.name} npz files, {count:,} images, {size / 1e6:,.0f} MB ({share:.0%} of the pixels)")
    print(f"  building the cache   {count / build.wall:8,.0f} images/s ({count / build.cpu:,.0f} a CPU second)")
    print(f"  opening the cache    {1000 * opening.wall:8.1f} ms")
    return dataset


def _measure_batches(dataset: Dataset, batch_size: int) -> None:
    mapped = hold_out(dataset.train).train
    in_memory = Images(pixels=mapped.pixels[:], labels=mapped.labels)
    rotated = dataclasses.replace(_SHIFT_FLIP, rotate=15)
    made = {
        "in memory, shift and flip": _batches(in_memory, batch_size, _SHIFT_FLIP),
        "mapped, shift and flip": _batches(mapped, batch_size, _SHIFT_FLIP),
        "in memory, rotation too": _batches(in_memory, batch_size, rotated),
        "mapped, rotation too": _batches(mapped, batch_size, rotated),
        "in memory, unvaried": _batches(in_memory, batch_size, Augmentation()),
        "mapped, unvaried": _batches(mapped, batch_size, Augmentation()),
    }
    first = torch.equal(*(made[name].batch(0).inputs for name in list(made)[:2]))
    print(
        f"training batches of {batch_size}, images a CPU second (mapped and in memory {'' if first else 'NOT '}equal)"
    )
    best = dict.fromkeys(made, float("inf"))
    # In turns, so that whatever else the machine does falls on all alike.
    for number in range(_ROUNDS):
        for name, batches in made.items():
            best[name] = min(best[name], _timed(partial(_run, batches, number * _STEPS)).cpu)
    reference = best["in memory, shift and flip"]
    for name, seconds in best.items():
        print(f"  {name:26} {_STEPS * batch_size / seconds:8,.0f}   {reference / seconds:5.2f} of the first")


def _batches(images: Images, batch_size: int, augmentation: Augmentation) -> Batches:
    return Batches(
        images,
        batch_size=batch_size,
        seed=0,
        phase="benchmark",
        augmentation=augmentation,
        normalization=Normalization(mean=(0.5,) * 3, std=(0.25,) * 3),
        device="cpu",
    )


def _run(batches: Batches, start: int) -> None:
    for step in range(start, start + _STEPS):
        batches.batch(step)


def _timed(work: Callable[[], object]) -> Seconds:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


if __name__ == "__main__":
    main()
