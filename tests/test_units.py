"""Budgets, counts and durations as people write and read them."""

import pytest

from studentsearch.errors import UsageError
from studentsearch.units import budget_label, format_count, format_duration, parse_budget

FULL_MACS = 287_929_692


@pytest.mark.parametrize(
    ("text", "macs"),
    [
        ("90M", 90_000_000),
        ("0.09G", 90_000_000),
        (".09g", 90_000_000),
        ("500k", 500_000),
        (" 88.5 m ", 88_500_000),
        ("90000000", 90_000_000),
        ("1000", 1000),
        ("30%", 86_378_907),
        ("0.3x", 86_378_907),
        ("99.999%", 287_926_812),
    ],
)
def test_budget_is_read_exactly(text: str, macs: int) -> None:
    assert parse_budget(text, full_macs=FULL_MACS) == macs


@pytest.mark.parametrize("text", ["0.3", ".3"])
def test_bare_share_is_refused_with_both_spellings(text: str) -> None:
    with pytest.raises(UsageError, match=r'write "30%" or "0\.3x" .* or "0?\.3M" or "0?\.3G"'):
        parse_budget(text, full_macs=FULL_MACS)


@pytest.mark.parametrize(("text", "percent"), [("30", "30"), ("999", "30"), ("1.0", "1"), ("90.5", "90.5")])
def test_bare_small_number_is_refused(text: str, percent: str) -> None:
    with pytest.raises(UsageError, match=rf'has no unit; write "{percent}%"'):
        parse_budget(text, full_macs=FULL_MACS)


@pytest.mark.parametrize("text", ["0", "0%", "0x", "0M", "0.0001k", "0.0"])
def test_nothing_left_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"leaves no multiply-accumulate; expected more"):
        parse_budget(text, full_macs=FULL_MACS)


@pytest.mark.parametrize("text", ["", "-90M", "-30%", "90MM", "ninety", "nan", "inf", "1e6", "90,5M", "30%x", "٣M"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not an amount; expected multiply-accumulates \(90M\) or a share"):
        parse_budget(text, full_macs=FULL_MACS)


@pytest.mark.parametrize("text", ["300M", "1G", "101%", "1.5x"])
def test_more_than_the_teacher_is_refused_with_its_cost(text: str) -> None:
    with pytest.raises(UsageError, match=r"above the teacher's 287\.9M"):
        parse_budget(text, full_macs=FULL_MACS)


@pytest.mark.parametrize("text", ["100%", "1x", "287929692"])
def test_all_of_the_teacher_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"nothing to search; choose less"):
        parse_budget(text, full_macs=FULL_MACS)


@pytest.mark.parametrize(
    ("macs", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1234, "1.2k"),
        (999_950, "1.0M"),
        (90_000_000, "90.0M"),
        (287_929_692, "287.9M"),
        (4_100_000_000, "4.1G"),
        (1_500_000_000_000, "1.5T"),
    ],
)
def test_count(macs: int, text: str) -> None:
    assert format_count(macs) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (12, "12s"), (59.6, "1m 00s"), (185, "3m 05s"), (3599.7, "1h 00m"), (3725, "1h 02m")],
)
def test_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("macs", "label"),
    [(90_000_000, "90M"), (88_500_000, "88.5M"), (250_000, "0.25M"), (1_234_567, "1.234567M"), (7, "0.000007M")],
)
def test_budget_label_is_exact(macs: int, label: str) -> None:
    assert budget_label(macs) == label
    assert parse_budget(label, full_macs=FULL_MACS) == macs
