"""Devices, precisions and threads as a user writes them; nothing here needs torch."""

import re

from studentsearch.errors import UsageError

MAX_THREADS = 1024
_DEVICE = re.compile(r"auto|cpu|cpu:0|cuda|cuda:[0-9]{1,2}|mps|mps:0")
_PRECISIONS = ("auto", "float32", "bf16")


def require_compute(device: str, precision: str, threads: int | None) -> None:
    """Refuse words that mean no place to compute on any machine.

    Args:
        device: As for `studentsearch.engine.runtime.open_runtime`.
        precision: Likewise.
        threads: Likewise.

    Raises:
        UsageError: If one of them is unknown or out of range.
    """
    if _DEVICE.fullmatch(device) is None:
        raise UsageError(f"device {device!r} is unknown: expected auto, cpu, cuda, cuda:N or mps")
    if precision not in _PRECISIONS:
        raise UsageError(f"precision {precision!r} is unknown: expected auto, float32 or bf16")
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise UsageError(f"{threads} threads: expected 1 to {MAX_THREADS}")
