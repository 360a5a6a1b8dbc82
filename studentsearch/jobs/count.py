"""The count job: what one image costs, in every convention of the field."""

from __future__ import annotations

from pathlib import Path

from studentsearch.errors import UsageError
from studentsearch.graph.trace import trace
from studentsearch.jobs.snapshot import plain_counts
from studentsearch.models.registry import build_model, canonical_name
from studentsearch.student.counts import Counts
from studentsearch.student.folder import is_student_folder, read_student

_INPUTS = {"densenet_digits": (1, 8, 8)}
_CIFAR = (3, 32, 32)


def count(model: str, *, num_classes: int = 10, input_shape: tuple[int, int, int] | None = None) -> Counts:
    """Count a network.

    Args:
        model: Registry name, `python:module:function` or a student folder (which has its own classes and shape).
        num_classes: Classes of a network that is built by name.
        input_shape: `[C, H, W]` of one image; None means 3x32x32, or what the named network is for.

    Returns:
        Multiply-accumulates by convention, and parameters.

    Raises:
        UsageError: A shape that is not positive.
    """
    if input_shape is not None and min(input_shape) < 1:
        raise UsageError(f"found image shape {input_shape}; expected channels, height and width of at least 1")
    if is_student_folder(Path(model)):
        student = read_student(Path(model))
        module, shape = student.module, input_shape or student.spec.input_shape
    else:
        shape = input_shape or _INPUTS.get(canonical_name(model), _CIFAR)
        module = build_model(model, num_classes=num_classes, in_channels=shape[0])
    return plain_counts(module, trace(module, shape))
