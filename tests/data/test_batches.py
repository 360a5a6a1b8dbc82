import pytest
import torch

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.batches import Batch, Batches, hold_out, in_order, normalize
from studentsearch.data.dataset import Images
from studentsearch.data.normalization import parse_normalization
from studentsearch.errors import UsageError
from studentsearch.randomness import generator
from studentsearch.records.normalization import Normalization

PLAIN = Normalization(mean=(0.0,), std=(1.0,))


def numbered(count: int) -> Images:
    """Images that show their own label."""
    labels = torch.arange(count)
    return Images(pixels=labels.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous(), labels=labels)


def batches(count: int = 10, batch_size: int = 3, *, seed: int = 0, phase: str = "teach", shift: int = 0) -> Batches:
    return Batches(
        numbered(count),
        batch_size=batch_size,
        seed=seed,
        phase=phase,
        augmentation=Augmentation(shift=shift),
        normalization=PLAIN,
        device="cpu",
    )


def equal(one: Batch, other: Batch) -> bool:
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.labels, other.labels)


def test_a_batch_depends_on_its_step_alone() -> None:
    forward, backward = batches(shift=1), batches(shift=1)
    expected = [forward.batch(step) for step in range(12)]
    for step in (11, 0, 5, 3, 4, 5):
        assert equal(backward.batch(step), expected[step])


def test_seed_and_phase_change_the_order() -> None:
    labels = batches(100, 100).batch(0).labels
    assert not torch.equal(labels, batches(100, 100, seed=1).batch(0).labels)
    assert not torch.equal(labels, batches(100, 100, phase="search").batch(0).labels)


def test_an_epoch_shows_each_image_at_most_once_with_its_label() -> None:
    made = batches(10, 3)
    assert made.steps_per_epoch == 3
    epochs = [[made.batch(3 * epoch + step) for step in range(3)] for epoch in range(2)]
    for epoch in epochs:
        labels = torch.cat([batch.labels for batch in epoch])
        assert len(labels.unique()) == 9
        inputs = torch.cat([batch.inputs for batch in epoch])
        assert torch.equal((inputs[:, 0, 0, 0] * 255).round().long(), labels)
    assert not torch.equal(epochs[0][0].labels, epochs[1][0].labels)


def test_fewer_images_than_a_batch_make_one() -> None:
    made = batches(2, 64)
    assert made.steps_per_epoch == 1
    assert sorted(made.batch(5).labels.tolist()) == [0, 1]


@pytest.mark.parametrize(("count", "batch_size"), [(0, 3), (3, 0), (3, -1)])
def test_empty_batches_are_refused(count: int, batch_size: int) -> None:
    with pytest.raises(UsageError, match=f"batches of {batch_size} from {count} images: expected at least 1"):
        batches(count, batch_size)


def test_in_order_gives_all_images_once() -> None:
    parts = list(in_order(numbered(10), PLAIN, 4, "cpu"))
    assert [len(part.labels) for part in parts] == [4, 4, 2]
    assert torch.cat([part.labels for part in parts]).tolist() == list(range(10))


def test_normalize_by_hand() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    made = normalize(pixels, Normalization(mean=(0.5, 0.2, 0.5), std=(0.25, 0.5, 0.125)))
    assert made.dtype == torch.float32
    assert made.is_contiguous(memory_format=torch.channels_last)
    expected = torch.tensor([-2.0, 0.0, 4.0]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)  # float32; 1 / 255 is not exact
    assert normalize(pixels[:, :1], PLAIN, torch.bfloat16).dtype == torch.bfloat16


def test_channels_must_agree() -> None:
    with pytest.raises(UsageError, match="images have 1 channels, the normalization 3: give one mean"):
        normalize(numbered(2).pixels, Normalization(mean=(0.5,) * 3, std=(0.5,) * 3))


def test_figures_are_read() -> None:
    assert parse_normalization("0.49,0.48, 0.44", "0.2,0.2,0.2") == Normalization(
        mean=(0.49, 0.48, 0.44), std=(0.2, 0.2, 0.2)
    )


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ("0.4,x", "1,1", r"mean '0\.4,x': expected one number a channel"),
        ("0.4", "", r"standard deviation '': expected one number a channel"),
        ("0.4,0.4", "0.2", "2 means and 1 standard deviations"),
        ("125.3", "63.0", "divide figures for 0..255 by 255"),
        ("0.5", "0", "standard deviations above 0"),
        ("nan", "0.5", "expected figures for pixels"),
    ],
)
def test_wrong_figures_are_refused(mean: str, std: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_normalization(mean, std)


def test_hold_out_splits_without_loss() -> None:
    parts = hold_out(numbered(100))
    assert (len(parts.train), len(parts.held_out)) == (90, 10)
    assert sorted(parts.train.labels.tolist() + parts.held_out.labels.tolist()) == list(range(100))
    assert torch.equal(parts.held_out.pixels[:, 0, 0, 0].long(), parts.held_out.labels)
    assert torch.equal(parts.held_out.labels, hold_out(numbered(100)).held_out.labels)
    assert not torch.equal(parts.held_out.labels, hold_out(numbered(100), seed=1).held_out.labels)


def test_hold_out_leaves_no_part_empty() -> None:
    assert len(hold_out(numbered(2), fraction=0.01).held_out) == 1
    assert len(hold_out(numbered(2), fraction=0.99).train) == 1


@pytest.mark.parametrize(("count", "fraction"), [(10, 0.0), (10, 1.0), (1, 0.5)])
def test_hold_out_of_nothing_is_refused(count: int, fraction: float) -> None:
    with pytest.raises(UsageError, match=f"holding out {fraction} of {count} images"):
        hold_out(numbered(count), fraction=fraction)


def test_generator_is_a_function_of_all_three() -> None:
    def draw(seed: int, phase: str, counter: int) -> list[int]:
        return torch.randint(0, 2**40, (4,), generator=generator(seed, phase, counter)).tolist()

    assert draw(1, "a", 2) == draw(1, "a", 2)
    places = [(1, "a", 2), (2, "a", 1), (1, "b", 2), (1, "a", 3), (12, "a", 2)]
    assert len({tuple(draw(*place)) for place in places}) == len(places)
