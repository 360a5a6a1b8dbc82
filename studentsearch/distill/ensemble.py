"""Several teachers: the mean of what each of them says."""

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from studentsearch.distill.loss import AnyTerm, Knowledge
from studentsearch.errors import StudentSearchError, UsageError


def ensemble_term(student: Knowledge, teachers: Sequence[Knowledge], labels: Tensor, term: AnyTerm) -> Tensor:
    """(1 / K) * sum over K teachers of term(student, teacher, labels), the student read once.

    Args:
        student: The student's knowledge.
        teachers: One of each teacher, K >= 1; their adapters have been applied.
        labels: `[B]`, int64 class numbers.
        term: Any distillation loss.

    Returns:
        Scalar; with one teacher the very term.

    Raises:
        UsageError: If there is no teacher; give one. Or if a user's own loss fails or gives no scalar; mend it.

    Source:
        Chou, Chiu and Liao, "Cross-layer knowledge distillation with KL divergence and offline ensemble for
        compressing deep neural network", APSIPA Transactions 10, 2021, e18: the offline ensemble.
    """
    if not teachers:
        raise UsageError("found 0 teachers; expected one or more; give each its own --weights")
    with _failing_in_words(term):
        own = term.read(student)
        losses = [term.compare(own, term.read(teacher), labels) for teacher in teachers]
    for loss in losses:
        if not isinstance(loss, Tensor) or loss.dim() != 0:
            found = f"a tensor of shape {list(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise UsageError(f"{type(term).__name__}.compare gave {found}; expected a scalar, the mean over the batch")
    return torch.stack(losses).mean()


@contextmanager
def _failing_in_words(term: AnyTerm) -> Iterator[None]:
    """Within the context a mistake in a loss that a user brought is told with its line; one in ours is a bug."""
    try:
        yield
    except Exception as error:
        module = type(term).__module__
        if module.startswith(f"{__package__}.") or isinstance(error, StudentSearchError):
            raise
        file = getattr(sys.modules.get(module), "__file__", None)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f"{file}:{lines[-1]}" if lines else module
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{where}: the loss {type(term).__name__} failed: {type(error).__name__}: {reason}; mend it"
        ) from error
