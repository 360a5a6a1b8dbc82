"""What a network says about a batch: the one thing that every distillation loss compares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Knowledge:
    """A network's answer, and its feature maps on the way there.

    Attributes:
        logits: `[B, K]`.
        points: Feature maps `[B, C_i, H_i, W_i]`, shallow to deep; empty for methods that need none.
    """

    logits: Tensor
    points: tuple[Tensor, ...] = ()


Reading = TypeVar("Reading")
"""What a loss reads from one network alone, before it sees another: Gram matrices, embeddings, logits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(Generic[Reading]):
    """A distillation loss in two halves, so that a student of many teachers is read once.

    Attributes:
        read: From one network's knowledge to what is compared.
        compare: From the student's reading, a teacher's, and labels `[B]` to a scalar, averaged over the batch.
    """

    read: Callable[[Knowledge], Reading]
    compare: Callable[[Reading, Reading, Tensor], Tensor]

    def __call__(self, student: Knowledge, teacher: Knowledge, labels: Tensor) -> Tensor:
        """The loss of a student with one teacher, a scalar."""
        return self.compare(self.read(student), self.read(teacher), labels)


AnyTerm: TypeAlias = Term[Any]
"""A term of any reading: only its own halves know what that is."""
