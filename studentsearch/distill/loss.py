"""What makes a distillation loss: its readings of networks, their comparison, its settings and row; needs no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from studentsearch.distill.clipping import ClippingMode
    from studentsearch.distill.warm_up import WarmUp


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Knowledge:
    """A network's answer to a batch, and its feature maps on the way there.

    Attributes:
        logits: `[B, K]`.
        points: Feature maps `[B, C_i, H_i, W_i]`, shallow to deep; empty for methods that need none.
    """

    logits: Tensor
    points: tuple[Tensor, ...] = ()


Reading = TypeVar("Reading")
"""What a loss reads from one network alone, before it sees another: Gram matrices, embeddings, logits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term(ABC, Generic[Reading]):
    """A distillation loss in two halves, so that a student of many teachers is read once.

    The fields of a loss's own class are its settings, each with a default: a user gives them as
    `--loss-setting NAME=VALUE`. Fields called `temperature` and `squared_temperature` have the values of those options.
    """

    @abstractmethod
    def read(self, network: Knowledge) -> Reading:
        """What is compared, from one network's knowledge; the teachers' is adapted to the student's widths."""

    @abstractmethod
    def compare(self, student: Reading, teacher: Reading, labels: Tensor) -> Tensor:
        """The loss of the student's reading with one teacher's and labels `[B]`: a scalar, averaged over the batch."""

    def require_points(self, num_points: int) -> None:
        """Refuse, before training, a number of feature points that the loss cannot compare; by default any will do."""

    def __call__(self, student: Knowledge, teacher: Knowledge, labels: Tensor) -> Tensor:
        """The loss of a student with one teacher, a scalar."""
        return self.compare(self.read(student), self.read(teacher), labels)


AnyTerm: TypeAlias = Term[Any]
"""A term of any reading: only its own halves know what that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """The loss is cross_entropy * CE + kl * mean of KL over teachers + knowledge * mean of the term over teachers."""

    cross_entropy: float = 1.0
    kl: float = 0.0
    knowledge: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationTerms:
    """The loss in full: weights.cross_entropy CE + weights.kl mean_k KL_k + weights.knowledge mean_k K_k.

    Attributes:
        weights: Of the three terms.
        term: The knowledge term K of one teacher: the method's own, beside CE and KL; None where there is none.
        temperature: Of both softmax outputs in the KL term.
        squared_temperature: Whether the KL term is multiplied by temperature ** 2.
        reverse: Whether the KL term is KL(student || teacher).
        clipping: Whether the gradient of the knowledge term is scaled by its ratio to the others'; "off" with a first
            stage, in which there are no others.
        first_stage: Share of the steps, from the first, in which the knowledge term alone is minimised; after them
            it rests. 0 minimises all terms together throughout.
        warm_up: How the knowledge term's weight grows; None leaves it whole.
    """

    weights: LossWeights
    term: AnyTerm | None = None
    temperature: float = 4.0
    squared_temperature: bool = False
    reverse: bool = False
    clipping: ClippingMode = "off"
    first_stage: float = 0.0
    warm_up: WarmUp | None = None

    @property
    def needs_teachers(self) -> bool:
        """Whether a teacher is asked at all."""
        return self.term is not None or self.weights.kl > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of the method table: one way to distil.

    Attributes:
        summary: The loss in a few words.
        source: Authors, year, venue.
        cost: What a step costs beyond the student's own, in words.
        needs: What teacher and student must have, in words.
        has_points: Whether feature points of both networks are asked for.
        equal_widths: Whether these must be as wide on both sides, so that adapters come in where they are not.
        weights: Of the three terms.
        term: The class of the knowledge term, whose fields are its settings; None of methods that have none.
        first_stage: Share of the steps, from the first, in which the knowledge term alone is trained, after which the
            task alone is; 0 trains all terms together.
        warm_up: How the knowledge term's weight grows; None gives it the whole weight from the first step.
        name: What `--method` takes. The table fills it in.
        code_sha256: Hash of the file that a user's own loss stands in; empty for the losses here. Filled in likewise.
    """

    summary: str
    source: str
    cost: str = "one forward pass of each teacher"
    needs: str = "the same classes"
    has_points: bool = False
    equal_widths: bool = False
    weights: LossWeights = LossWeights(knowledge=1.0)
    term: type[AnyTerm] | None = None
    first_stage: float = 0.0
    warm_up: WarmUp | None = None
    name: str = ""
    code_sha256: str = ""

    def __post_init__(self) -> None:
        """Refuse a row that contradicts itself.

        Raises:
            UsageError: A term without weight, a weight without term, half a term, or equal widths of no points.
        """
        if (self.term is None) != (self.weights.knowledge == 0):
            found = f"weight {self.weights.knowledge:g} for {'no' if self.term is None else 'its'} knowledge term"
            raise UsageError(f'found {found} in method "{self.summary}"; expected a term and a weight, or neither')
        missing = sorted(getattr(self.term, "__abstractmethods__", ()))
        if missing:
            raise UsageError(f'found a term without {" and ".join(missing)} in method "{self.summary}"; define them')
        if self.equal_widths and not self.has_points:
            raise UsageError(f'found equal widths of no points in method "{self.summary}"; set has_points as well')
