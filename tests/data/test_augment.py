import pytest
import torch
from torch import Tensor

from studentsearch.data.augment import Augmentation, augment, parse_augmentation
from studentsearch.errors import UsageError
from studentsearch.randomness import generator

USUAL = Augmentation(shift=4, flip=True)


def pictures(batch: int = 64, channels: int = 3, height: int = 6, width: int = 5) -> Tensor:
    return torch.randint(1, 256, (batch, channels, height, width), generator=generator(0, "test", 0)).to(torch.uint8)


def variants(picture: Tensor, augmentation: Augmentation) -> list[Tensor]:
    """Every picture that the augmentation may make of one, by slicing."""
    shift = augmentation.shift
    _, height, width = picture.shape
    padded = torch.zeros((len(picture), height + 2 * shift, width + 2 * shift), dtype=torch.uint8)
    padded[:, shift : shift + height, shift : shift + width] = picture
    crops = [padded[:, y : y + height, x : x + width] for y in range(2 * shift + 1) for x in range(2 * shift + 1)]
    return crops + [crop.flip(2) for crop in crops] * augmentation.flip


@pytest.mark.parametrize("text", ["none", "flip", "shift:2", "shift:2+flip"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_picture_is_a_crop_of_its_padded_self(text: str, channels: int) -> None:
    augmentation = parse_augmentation(text, USUAL)
    before = pictures(batch=12, channels=channels)
    after = augment(before, augmentation, generator(0, "chances", 0))
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    for old, new in zip(before, after, strict=True):
        assert any(torch.equal(new, variant) for variant in variants(old, augmentation))


def test_all_variants_occur() -> None:
    augmentation = Augmentation(shift=1, flip=True)
    picture = pictures(batch=1)
    after = augment(picture.expand(600, -1, -1, -1).contiguous(), augmentation, generator(0, "chances", 0))
    counts = [sum(torch.equal(new, variant) for new in after) for variant in variants(picture[0], augmentation)]
    assert sum(counts) == 600
    assert min(counts) > 10  # 600 over 18 variants: 33 each are expected


def test_equal_generators_give_equal_pictures() -> None:
    before = pictures()
    once = augment(before, USUAL, generator(1, "chances", 7))
    assert torch.equal(once, augment(before, USUAL, generator(1, "chances", 7)))
    assert not torch.equal(once, augment(before, USUAL, generator(1, "chances", 8)))


def test_none_changes_nothing() -> None:
    before = pictures()
    assert torch.equal(augment(before, Augmentation(), generator(0, "chances", 0)), before)


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
    ],
)
def test_words_are_read(text: str | None, expected: Augmentation) -> None:
    assert parse_augmentation(text, USUAL) == expected


@pytest.mark.parametrize("text", ["none", "flip", "shift:2", "shift:2+flip"])
def test_text_reads_back(text: str) -> None:
    assert str(parse_augmentation(text, USUAL)) == text


@pytest.mark.parametrize(
    "text", ["", "mirror", "shift:", "shift:0", "shift:-1", "shift:x", "flip+flip", "none+flip", "flip:2"]
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not understood: expected 'none', 'flip'"):
        parse_augmentation(text, USUAL)


def test_bare_shift_needs_a_usual_one() -> None:
    with pytest.raises(UsageError, match="no usual shift; say how many pixels, as in 'shift:4'"):
        parse_augmentation("shift", Augmentation(flip=True))
