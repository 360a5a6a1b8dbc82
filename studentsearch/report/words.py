"""How a figure reads on screen: one rule a kind of figure, for tables, progress and pages alike."""

import math
import re
from collections.abc import Mapping, Sequence

from studentsearch.decoding import JsonValue
from studentsearch.units import format_count

NOTHING = "-"
_HASH = re.compile(r"[0-9a-f]{40,}")
_HASH_DIGITS = 12
_NAMES = {
    "macs": "MACs",
    "budget_macs": "budget",
    "target_macs": "target",
    "kl": "KL",
    "open_share": "open",
    "gate_mean": "gates",
    "images_per_second": "images/s",
    "cross_entropy": "CE",
}


def percent_words(share: float | None) -> str:
    """A share as a percentage; `0.0%` and `100.0%` only where it is exactly 0 or 1.

    Args:
        share: 0 to 1, or None.

    Returns:
        `31.2%`, `>99.9%`, `<0.1%`, or a dash for None.
    """
    if share is None:
        return NOTHING
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{share:.1%}"


def accuracy_words(percent: float | None) -> str:
    """An accuracy in percent.

    Args:
        percent: 0 to 100, or None.

    Returns:
        `76.3%`, or a dash for None.
    """
    return NOTHING if percent is None else f"{percent:.1f}%"


def count_words(count: int | None) -> str:
    """A count with its unit.

    Args:
        count: Not negative, or None.

    Returns:
        `287.9M`, or a dash for None.
    """
    return NOTHING if count is None else format_count(count)


def fact_name(key: str) -> str:
    """What a metric is called on screen.

    Args:
        key: Its name in metrics.csv or in a job's progress.

    Returns:
        A short name.
    """
    return _NAMES.get(key, key.replace("_", " "))


def fact_words(key: str, value: float | int | str) -> str:
    """A metric's value with its unit.

    Args:
        key: Its name in metrics.csv or in a job's progress.
        value: Its value; accuracies in percent, shares of 1; not a number where the metric rests.

    Returns:
        The value as people say it.
    """
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return NOTHING
    if key.endswith("macs") or key == "parameters":
        return format_count(round(value))
    if key.endswith("_share"):
        return percent_words(value)
    if key.startswith("accuracy"):
        return accuracy_words(value)
    if key == "images_per_second":
        return f"{value:,.0f}"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def value_words(value: JsonValue) -> str:
    """A fact of a manifest on one line: lists by spaces, objects by commas, long hashes cut short.

    Args:
        value: Any JSON value.

    Returns:
        One line.
    """
    if isinstance(value, str):
        return _HASH.sub(lambda found: found[0][:_HASH_DIGITS], value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {value_words(entry)}" for key, entry in value.items())
    if isinstance(value, Sequence):
        return " ".join(value_words(entry) for entry in value)
    return NOTHING if value is None else str(value)
