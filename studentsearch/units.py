"""Quantities as people write and read them: budgets, counts, durations."""

import re
from fractions import Fraction

from studentsearch.errors import UsageError

_SCALES = {"k": 10**3, "m": 10**6, "g": 10**9}
_SMALLEST_PLAIN_MACS = 1000
_WHOLE = {"%": 100, "x": 1}
# As many digits as a count can have; Python refuses to read thousands.
_BUDGET = re.compile(r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?|\.[0-9]{1,18})\s*(?P<unit>[kmgx%]?)", re.IGNORECASE)


def parse_budget(text: str, *, full_macs: int) -> int:
    """The multiply-accumulates a student may cost; a share is always the share kept.

    Args:
        text: `90M`, `0.09G`, `500k` or a plain integer from 1000 (multiply-accumulates); `30%` or `0.3x` (share of
            `full_macs`).
        full_macs: What the teacher costs, multiply-accumulates, >= 1.

    Returns:
        Multiply-accumulates, 1 to `full_macs` - 1; fractions are rounded down.

    Raises:
        UsageError: The text is no budget, is ambiguous, is zero, or is not below the teacher's cost.
    """
    number, unit = _amount(text)
    budget_macs = int(number * _unit_macs(unit, full_macs=full_macs))
    if budget_macs < 1:
        raise UsageError(f'budget "{text}" leaves no multiply-accumulate; expected more than zero, as in 90M or 30%')
    if budget_macs > full_macs:
        raise UsageError(
            f'budget "{text}" is {format_count(budget_macs)} multiply-accumulates, above the teacher\'s '
            f"{format_count(full_macs)}; choose less than the teacher costs"
        )
    if budget_macs == full_macs:
        raise UsageError(
            f'budget "{text}" is all that the teacher costs ({format_count(full_macs)} multiply-accumulates): '
            "nothing to search; choose less"
        )
    return budget_macs


def require_budget(text: str) -> None:
    """Refuse a budget that means nothing whatever the teacher costs.

    Args:
        text: As for `parse_budget`.

    Raises:
        UsageError: The text is no budget, is ambiguous, is zero, or keeps the whole teacher or more.
    """
    number, unit = _amount(text)
    if not number:
        raise UsageError(f'budget "{text}" leaves no multiply-accumulate; expected more than zero, as in 90M or 30%')
    if unit in _WHOLE and number >= _WHOLE[unit]:
        raise UsageError(f'budget "{text}" keeps all that the teacher costs or more: nothing to search; choose less')


def format_count(macs: int) -> str:
    """A count with one decimal and its unit: `287.9M`, `1.2k`; below 1000 the integer itself.

    Args:
        macs: A count, >= 0.

    Returns:
        The count in k, M, G or T.
    """
    if macs < 1000:
        return str(macs)
    scaled = float(macs)
    for unit in "kMG":
        scaled /= 1000
        if round(scaled, 1) < 1000:  # 999,950 reads as 1.0M, never as 1000.0k
            return f"{scaled:.1f}{unit}"
    return f"{scaled / 1000:.1f}T"


def format_duration(seconds: float) -> str:
    """A duration in its two largest units: `1h 02m`, `3m 05s`, `12s`.

    Args:
        seconds: Seconds, finite and >= 0; rounded to whole seconds.

    Returns:
        The duration as people say it.
    """
    minutes, left_seconds = divmod(round(seconds), 60)
    hours, left_minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {left_minutes:02d}m"
    if minutes:
        return f"{minutes}m {left_seconds:02d}s"
    return f"{left_seconds}s"


def budget_label(macs: int) -> str:
    """A budget in millions as a folder's name, exact, so that two budgets never share one: `90M`, `88.5M`.

    Args:
        macs: Multiply-accumulates, >= 0.

    Returns:
        Digits, at most one point, and `M`.
    """
    millions, rest = divmod(macs, 10**6)
    decimals = f"{rest:06d}".rstrip("0")
    return f"{millions}.{decimals}M" if decimals else f"{millions}M"


def _amount(text: str) -> tuple[Fraction, str]:
    """The number and the unit, in lower case, of a budget."""
    match = _BUDGET.fullmatch(text.strip())
    if match is None:
        found = f'budget "{text[:60]}"'
        raise UsageError(f"{found} is not an amount; expected multiply-accumulates (90M) or a share kept (30%)")
    number, unit = Fraction(match["number"]), match["unit"].lower()
    if not unit and number and ("." in match["number"] or number < _SMALLEST_PLAIN_MACS):
        raise UsageError(_ambiguous(text.strip(), number))
    return number, unit


def _unit_macs(unit: str, *, full_macs: int) -> Fraction:
    shares = {"%": Fraction(full_macs, 100), "x": Fraction(full_macs), "": Fraction(1)}
    return shares[unit] if unit in shares else Fraction(_SCALES[unit])


def _ambiguous(text: str, number: Fraction) -> str:
    percent = float(number * 100) if number < 1 else float(number)
    percent = percent if percent < 100 else 30.0  # no share is meant by 500; show an example
    share = f'"{percent:g}%" or "{percent / 100:g}x"'
    return (
        f'budget "{text}" has no unit; write {share} for the share of the teacher that is kept, '
        f'or "{text}M" or "{text}G" for multiply-accumulates'
    )
