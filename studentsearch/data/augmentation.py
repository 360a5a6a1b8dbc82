"""How images are varied in training, as facts and as words; nothing here needs torch."""

from dataclasses import dataclass

from studentsearch.errors import UsageError

_HALF_TURN = 180
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How images are varied in training.

    Attributes:
        shift: Images move by up to so many pixels in each direction; black comes in (a crop after zero padding).
        rotate: Before that images turn about their centre by up to so many degrees either way; black comes in.
        flip: Every second image, by chance, is mirrored left to right.
    """

    shift: int = 0
    rotate: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise UsageError(f"a shift of {self.shift} pixels: expected 0 or more")
        if not 0 <= self.rotate <= _HALF_TURN:
            raise UsageError(f"a rotation of {self.rotate} degrees: expected 0 to {_HALF_TURN}, either way")

    def __str__(self) -> str:
        words = [f"{name}:{amount}" for name, amount in (("shift", self.shift), ("rotate", self.rotate)) if amount]
        words += ["flip"] * self.flip
        return "+".join(words) or "none"


def parse_augmentation(text: str | None, default: Augmentation) -> Augmentation:
    """The augmentation that a user's words mean.

    Args:
        text: "none", "shift", "flip", "shift+flip", "shift:4+rotate:15+flip"; None for the default.
        default: The augmentation that fits the data; a bare "shift" or "rotate" takes its amount.

    Returns:
        The augmentation; its `str` reads back as the same.

    Raises:
        UsageError: For other words, or a bare "shift" or "rotate" where the data's own augmentation has none.
    """
    if text is None:
        return default
    if text == "none":
        return Augmentation()
    words = [word.partition(":") for word in text.split("+")]
    amounts = {"shift": 0, "rotate": 0}
    flip = False
    for name, colon, amount in words:
        if name == "flip" and not colon:
            flip = True
        elif name in amounts and (not colon or _is_positive(amount)):
            amounts[name] = int(amount) if colon else _usual_amount(name, text, default)
        else:
            raise _not_understood(text)
    if len({name for name, _, _ in words}) < len(words):
        raise _not_understood(text)
    return Augmentation(shift=amounts["shift"], rotate=amounts["rotate"], flip=flip)


def require_augmentation(text: str | None) -> None:
    """Refuse words that mean no augmentation whatever the data.

    Args:
        text: As for `parse_augmentation`.
    """
    parse_augmentation(text, Augmentation(shift=1, rotate=1))


def _is_positive(amount: str) -> bool:
    return amount.isascii() and amount.isdigit() and len(amount) <= _MAX_DIGITS and int(amount) > 0


def _usual_amount(name: str, text: str, default: Augmentation) -> int:
    usual, unit, example = {
        "shift": (default.shift, "pixels", "shift:4"),
        "rotate": (default.rotate, "degrees", "rotate:15"),
    }[name]
    if not usual:
        raise UsageError(
            f"augmentation {text!r}: these data have no usual {name}; say how many {unit}, as in {example!r}"
        )
    return usual


def _not_understood(text: str) -> UsageError:
    return UsageError(
        f"augmentation {text[:60]!r} is not understood: expected 'none', 'flip', 'shift', 'rotate', several joined as "
        f"in 'shift+flip', or, with numbers of pixels and degrees, 'shift:4+rotate:15+flip'"
    )
