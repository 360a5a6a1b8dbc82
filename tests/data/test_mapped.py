import os
import resource
from pathlib import Path

import pytest
import torch
from npz_files import images

from studentsearch.data import dataset as dataset_file
from studentsearch.data.augmentation import Augmentation
from studentsearch.data.batches import Batches, hold_out, in_order
from studentsearch.data.dataset import Dataset, Images, channel_mean, channel_std
from studentsearch.data.mapped import MappedPixels, map_pixels
from studentsearch.data.transfer import send
from studentsearch.records.normalization import Normalization

USUAL = Normalization(mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
NUM_IMAGES = 60


@pytest.fixture
def mapped(tmp_path: Path) -> Images:
    (tmp_path / "pixels").write_bytes(images(NUM_IMAGES, 8, 0).tobytes())
    pixels = map_pixels(tmp_path / "pixels", (NUM_IMAGES, 3, 8, 8))
    return Images(pixels=pixels, labels=torch.arange(NUM_IMAGES) % 10)


@pytest.fixture
def in_memory(mapped: Images) -> Images:
    pixels = torch.from_numpy(images(NUM_IMAGES, 8, 0)).view(-1, 3, 8, 8)
    return Images(pixels=pixels, labels=mapped.labels)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were read at once, in the order of reading."""
    found: list[int] = []
    read = MappedPixels.__getitem__

    def count(self: MappedPixels, index: torch.Tensor | slice) -> torch.Tensor:
        found.append(len(read(self, index)))
        return read(self, index)

    monkeypatch.setattr(MappedPixels, "__getitem__", count)
    return found


def make_batches(images: Images, device: str = "cpu") -> Batches:
    return Batches(
        images,
        batch_size=7,
        seed=0,
        phase="teach",
        augmentation=Augmentation(shift=2, rotate=15, flip=True),
        normalization=USUAL,
        device=device,
    )


def test_indexing_is_that_of_a_tensor(mapped: Images, in_memory: Images) -> None:
    for index in (slice(None), slice(3, 9), slice(58, 99), torch.tensor([5, 5, 0]), torch.tensor([-1])):
        assert torch.equal(mapped.pixels[index], in_memory.pixels[index])
    assert mapped.pixels.shape == tuple(in_memory.pixels.shape)
    with pytest.raises(IndexError, match="index 60 is out of bounds"):
        mapped.pixels[torch.tensor([NUM_IMAGES])]


def test_what_is_read_is_ones_own(mapped: Images) -> None:
    before = mapped.pixels[:]
    mapped.pixels[:].zero_()
    assert torch.equal(mapped.pixels[:], before)


def test_selections_of_selections(mapped: Images, in_memory: Images, reads: list[int]) -> None:
    first, second = torch.randperm(NUM_IMAGES), torch.tensor([3, 0, 7])
    chosen, expected = mapped.select(first).select(second), in_memory.select(first).select(second)
    assert not reads
    assert torch.equal(chosen.pixels[:], expected.pixels[:])
    assert torch.equal(chosen.labels, expected.labels)


def test_batches_are_those_of_the_same_images_in_memory(mapped: Images, in_memory: Images) -> None:
    one, other = make_batches(hold_out(mapped).train), make_batches(hold_out(in_memory).train)
    assert one.steps_per_epoch == other.steps_per_epoch
    for step in (0, 1, 20, 2):
        assert torch.equal(one.batch(step).inputs, other.batch(step).inputs)
        assert torch.equal(one.batch(step).labels, other.batch(step).labels)


def test_images_in_order_are_those_in_memory(mapped: Images, in_memory: Images) -> None:
    parts = zip(in_order(mapped, USUAL, 25, "cpu"), in_order(in_memory, USUAL, 25, "cpu"), strict=True)
    for one, other in parts:
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.labels, other.labels)


def test_facts_are_those_in_memory_and_read_in_pieces(
    mapped: Images, in_memory: Images, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_file, "_CHUNK_BYTES", 11 * 3 * 8 * 8)

    def made(images: Images) -> Dataset:
        return Dataset(
            name="made",
            classes=tuple("0123456789"),
            train=images,
            test=images,
            mean=channel_mean(images),
            std=channel_std(images),
            augmentation=Augmentation(),
        )

    one, other = made(mapped), made(in_memory)
    assert (one.fingerprint, one.mean, one.std) == (other.fingerprint, other.mean, other.std)
    assert max(reads) == 11
    assert sum(reads) == 4 * NUM_IMAGES  # mean, standard deviation, and two parts of the fingerprint


def test_only_the_images_of_a_batch_are_read(mapped: Images, reads: list[int]) -> None:
    batches = make_batches(hold_out(mapped).train)
    assert not reads
    batches.batch(0)
    batches.batch(9)
    assert reads == [7, 7]


def test_all_of_imagenet_is_never_copied(tmp_path: Path) -> None:
    """1,281,167 images, 15.7 GB, in a file with a hole for all but the last one."""
    num_images, image_bytes = 1_281_167, 3 * 64 * 64
    path = tmp_path / "pixels"
    with path.open("wb") as file:
        file.seek((num_images - 1) * image_bytes)
        file.write(b"\x07" * image_bytes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pixels = map_pixels(path, (num_images, 3, 64, 64))
    parts = hold_out(Images(pixels=pixels, labels=torch.arange(num_images)))
    every = parts.train.select(torch.arange(len(parts.train))).to("cpu")
    batch = make_batches(every).batch(0)
    assert len(batch.labels) == 7
    assert len(every) + len(parts.held_out) == num_images
    part = parts.train if int(parts.train.labels[-1]) == num_images - 1 else parts.held_out
    assert part.pixels[-1:].eq(7).all()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400_000  # KiB: some lists of 10 MB each, and what pytest and torch take meanwhile
    os.truncate(path, 0)


def test_on_the_cpu_nothing_is_sent() -> None:
    tensor = torch.arange(3)
    assert send(tensor, "cpu") is tensor


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_no_batch_waits_for_the_device(mapped: Images, in_memory: Images) -> None:
    made = [make_batches(images, "cuda") for images in (mapped, in_memory)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        kept = [[batches.batch(step) for step in range(20)] for batches in made]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    on_cpu = make_batches(in_memory)
    for step, (one, other) in enumerate(zip(*kept, strict=True)):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.labels.cpu(), on_cpu.batch(step).labels)
        # Rotation in float32 may round to the neighbouring grey level.
        torch.testing.assert_close(one.inputs.cpu(), on_cpu.batch(step).inputs, rtol=0, atol=1.01 / 255 / 0.2)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_mapped_images_reach_the_device_in_order(mapped: Images, in_memory: Images) -> None:
    for one, other in zip(in_order(mapped, USUAL, 25, "cuda"), in_order(in_memory, USUAL, 25, "cpu"), strict=True):
        assert one.inputs.device.type == "cuda"
        assert torch.equal(one.inputs.cpu(), other.inputs)
