import math

import pytest
import torch
from torch import Tensor

from studentsearch.data.augment import augment, rotate
from studentsearch.data.augmentation import Augmentation, parse_augmentation
from studentsearch.errors import UsageError
from studentsearch.randomness import generator

USUAL = Augmentation(shift=4, flip=True)


def images(batch: int = 64, channels: int = 3, height: int = 6, width: int = 5) -> Tensor:
    return torch.randint(1, 256, (batch, channels, height, width), generator=generator(0, "test", 0)).to(torch.uint8)


def variants(image: Tensor, augmentation: Augmentation) -> list[Tensor]:
    """Every image that the augmentation may make of one, by slicing."""
    shift = augmentation.shift
    _, height, width = image.shape
    padded = torch.zeros((len(image), height + 2 * shift, width + 2 * shift), dtype=torch.uint8)
    padded[:, shift : shift + height, shift : shift + width] = image
    crops = [padded[:, y : y + height, x : x + width] for y in range(2 * shift + 1) for x in range(2 * shift + 1)]
    return crops + [crop.flip(2) for crop in crops] * augmentation.flip


@pytest.mark.parametrize("text", ["none", "flip", "shift:2", "shift:2+flip"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_a_crop_of_its_padded_self(text: str, channels: int) -> None:
    augmentation = parse_augmentation(text, USUAL)
    before = images(batch=12, channels=channels)
    after = augment(before, augmentation, generator(0, "chances", 0))
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    for old, new in zip(before, after, strict=True):
        assert any(torch.equal(new, variant) for variant in variants(old, augmentation))


def test_all_variants_occur() -> None:
    augmentation = Augmentation(shift=1, flip=True)
    image = images(batch=1)
    after = augment(image.expand(600, -1, -1, -1).contiguous(), augmentation, generator(0, "chances", 0))
    counts = [sum(torch.equal(new, variant) for new in after) for variant in variants(image[0], augmentation)]
    assert sum(counts) == 600
    assert min(counts) > 10  # 600 over 18 variants: 33 each are expected


def test_equal_generators_give_equal_images() -> None:
    before = images()
    once = augment(before, USUAL, generator(1, "chances", 7))
    assert torch.equal(once, augment(before, USUAL, generator(1, "chances", 7)))
    assert not torch.equal(once, augment(before, USUAL, generator(1, "chances", 8)))


def test_none_changes_nothing() -> None:
    before = images()
    assert torch.equal(augment(before, Augmentation(), generator(0, "chances", 0)), before)


def test_what_is_drawn_for_shifts_and_flips_stays_the_same() -> None:
    """Trained networks are made again bit for bit only while these draws stay as they are."""
    before = images(batch=20)
    chances = generator(3, "chances", 5)
    offsets = torch.randint(0, 9, (2, 20, 1), generator=chances)
    flips = torch.rand((20, 1), generator=chances) < 0.5
    padded = torch.nn.functional.pad(before, (4, 4, 4, 4))
    after = augment(before, USUAL, generator(3, "chances", 5))
    for image, new, right, down, mirrored in zip(padded, after, *offsets[:, :, 0].tolist(), flips, strict=True):
        crop = image[:, down : down + 6, right : right + 5]
        assert torch.equal(new, crop.flip(2) if mirrored else crop)


@pytest.mark.parametrize("shape", [(6, 6), (4, 7)])
def test_half_turns_are_exact(shape: tuple[int, int]) -> None:
    before = images(4, 3, *shape)
    assert torch.equal(rotate(before, torch.full((4,), math.pi)), before.flip(2, 3))
    assert torch.equal(rotate(before, torch.zeros(4)), before)


def test_quarter_turns_are_exact_and_each_image_has_its_own() -> None:
    before = images(3, 1, 5, 5)
    after = rotate(before, torch.tensor([math.pi / 2, 0.0, -math.pi / 2]))
    expected = [before[0].rot90(1, (1, 2)), before[1], before[2].rot90(-1, (1, 2))]
    assert torch.equal(after, torch.stack(expected))


def turned(image: Tensor, angle: float) -> Tensor:
    """One channel `[H, W]` turned, pixel by pixel in float64, black outside."""
    height, width = image.shape
    made = torch.zeros(height, width, dtype=torch.float64)
    for row in range(height):
        for column in range(width):
            across, down = column - (width - 1) / 2, row - (height - 1) / 2
            x = math.cos(angle) * across - math.sin(angle) * down + (width - 1) / 2
            y = math.sin(angle) * across + math.cos(angle) * down + (height - 1) / 2
            for near_y in (math.floor(y), math.floor(y) + 1):
                for near_x in (math.floor(x), math.floor(x) + 1):
                    if 0 <= near_y < height and 0 <= near_x < width:
                        weight = (1 - abs(x - near_x)) * (1 - abs(y - near_y))
                        made[row, column] += weight * float(image[near_y, near_x])
    return made


def test_between_pixels_a_turn_is_bilinear_and_black_comes_in() -> None:
    before = images(1, 1, 7, 10)
    after = rotate(before, torch.tensor([0.3]))
    # Rounding to a grey level; float32 decides the ties.
    torch.testing.assert_close(after[0, 0].double(), turned(before[0, 0], 0.3), rtol=0, atol=0.501)
    assert int(rotate(torch.full((1, 1, 7, 10), 255, dtype=torch.uint8), torch.tensor([0.3]))[0, 0, 0, 0]) == 0


def test_rotation_comes_before_the_same_shifts_and_flips() -> None:
    before = images(batch=10)
    chances = generator(0, "chances", 0)
    torch.randint(0, 9, (2, 10, 1), generator=chances)
    torch.rand((10, 1), generator=chances)
    angles = (torch.rand(10, generator=chances) * 2 - 1) * math.radians(15)
    after = augment(before, Augmentation(shift=4, rotate=15, flip=True), generator(0, "chances", 0))
    assert torch.equal(after, augment(rotate(before, angles), USUAL, generator(0, "chances", 0)))
    assert after.dtype == torch.uint8


def test_angles_reach_both_ways_and_no_further() -> None:
    before = torch.zeros(400, 1, 41, 41, dtype=torch.uint8)
    before[:, :, 20, 40] = 255
    after = augment(before, Augmentation(rotate=30), generator(0, "chances", 0)).double()
    centre = (after * (torch.arange(41.0) - 20).view(-1, 1)).sum((1, 2, 3)) / after.sum((1, 2, 3))
    degrees = torch.asin(centre / 20).rad2deg()
    assert 28 < degrees.max() < 31
    assert -31 < degrees.min() < -28
    assert degrees.mean().abs() < 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, USUAL),
        ("none", Augmentation()),
        ("shift", Augmentation(shift=4)),
        ("flip", Augmentation(flip=True)),
        ("shift+flip", USUAL),
        ("flip+shift", USUAL),
        ("shift:2+flip", Augmentation(shift=2, flip=True)),
        ("flip+rotate:15", Augmentation(rotate=15, flip=True)),
        ("shift:4+rotate:15+flip", Augmentation(shift=4, rotate=15, flip=True)),
    ],
)
def test_words_are_read(text: str | None, expected: Augmentation) -> None:
    assert parse_augmentation(text, USUAL) == expected


@pytest.mark.parametrize("text", ["none", "flip", "shift:2", "shift:2+flip", "rotate:5", "shift:4+rotate:15+flip"])
def test_text_reads_back(text: str) -> None:
    assert str(parse_augmentation(text, USUAL)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "mirror", "shift:", "shift:0", "shift:-1", "shift:x", "flip+flip", "none+flip", "flip:2", "flip:"),
        *("rotate:", "rotate:0", "rotate:1.5", "rotate:x", "rotate:2+rotate:3"),
    ],
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not understood: expected 'none', 'flip'"):
        parse_augmentation(text, USUAL)


def test_bare_shift_needs_a_usual_one() -> None:
    with pytest.raises(UsageError, match="no usual shift; say how many pixels, as in 'shift:4'"):
        parse_augmentation("shift", Augmentation(flip=True))
    with pytest.raises(UsageError, match="no usual rotate; say how many degrees, as in 'rotate:15'"):
        parse_augmentation("rotate", USUAL)
    assert parse_augmentation("rotate+flip", Augmentation(rotate=10)) == Augmentation(rotate=10, flip=True)


def test_more_than_half_a_turn_is_refused() -> None:
    with pytest.raises(UsageError, match="a rotation of 181 degrees: expected 0 to 180, either way"):
        parse_augmentation("rotate:181", USUAL)
