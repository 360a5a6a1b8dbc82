"""The table of distillation methods: what `--method` can name, and what each adds to the loss; needs no torch."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from studentsearch.distill.cross_layer import Reduction
    from studentsearch.distill.knowledge import AnyTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """The loss is cross_entropy * CE + kl * mean of KL over teachers + knowledge * mean of the term over teachers."""

    cross_entropy: float = 1.0
    kl: float = 0.0
    knowledge: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TermSettings:
    """What a user can set about the terms of any method.

    Attributes:
        temperature: Of both softmax outputs in the KL term, and in DKD.
        squared_temperature: Whether these are multiplied by temperature ** 2. Hinton's and DKD's are, as published; the
            cross-layer paper prints no factor, but at temperature 4 its KL would weigh a sixteenth.
        max_distance: Largest distance of two feature points whose Gram matrix is compared (`--cross`).
        reduction: Whether the squared differences of a Gram matrix's entries are averaged, or summed as printed.
    """

    temperature: float = 4.0
    squared_temperature: bool = True
    max_distance: int = 3
    reduction: Reduction = "mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One line of the table.

    Attributes:
        name: What `--method` takes.
        summary: The loss in a few words.
        source: Authors, year, venue.
        cost: What a step costs beyond the student's own, in words.
        needs: What teacher and student must have, in words.
        has_points: Whether feature points of both networks are asked for.
        equal_widths: Whether these must be as wide on both sides, so that adapters come in where they are not.
        weights: Of the three terms.
        make: From the settings to the knowledge term; None from methods that have none.
        first_stage: Share of the steps, from the first, in which the knowledge term alone is trained, after which the
            task alone is; 0 trains all terms together.
    """

    name: str
    summary: str
    source: str
    cost: str
    needs: str
    has_points: bool
    equal_widths: bool
    weights: LossWeights
    make: Callable[[TermSettings], AnyTerm | None]
    first_stage: float = 0.0

    @property
    def has_term(self) -> bool:
        """Whether it has a term of its own, beside cross entropy and KL."""
        return self.weights.knowledge > 0


def methods() -> tuple[Method, ...]:
    """All methods, in the order in which they are listed."""
    return _METHODS


def method(name: str) -> Method:
    """The method of a name.

    Args:
        name: As `--method` takes it.

    Returns:
        Its line of the table.

    Raises:
        UsageError: If there is none; choose one that the message names.
    """
    by_name = {known.name: known for known in _METHODS}
    if name not in by_name:
        nearest = difflib.get_close_matches(name, by_name, n=3, cutoff=0.5) or list(by_name)
        raise UsageError(f'unknown method "{name}"; nearest: {", ".join(nearest)}; see all with: --method list')
    return by_name[name]


def _no_term(_: TermSettings) -> None:
    """Methods that have cross entropy and KL only."""


def _terms() -> ModuleType:
    """The losses themselves, which need torch, when one is made."""
    return importlib.import_module("studentsearch.distill.terms")


_FORWARD = "one forward pass of each teacher"
_SAME_CLASSES = "the same classes"
_SAME_STAGES = "as many points on both sides; adapters where widths differ"
_YIM = "Yim, Joo, Bae and Kim, 2017, CVPR"
_METHODS = (
    Method(
        name="none",
        summary="cross entropy only: the student alone",
        source="the baseline",
        cost="none",
        needs="no teacher",
        has_points=False,
        equal_widths=False,
        weights=LossWeights(),
        make=_no_term,
    ),
    Method(
        name="hinton",
        summary="0.1 cross entropy + 0.9 KL at temperature 4, times 16",
        source="Hinton, Vinyals and Dean, 2015, arXiv; weights of Gu and Tresp, 2020, arXiv",
        cost=_FORWARD,
        needs=_SAME_CLASSES,
        has_points=False,
        equal_widths=False,
        weights=LossWeights(cross_entropy=0.1, kl=0.9),
        make=_no_term,
    ),
    Method(
        name="kl",
        summary="cross entropy + KL",
        source="Chou, Chiu and Liao, 2021, APSIPA Transactions (P2)",
        cost=_FORWARD,
        needs=_SAME_CLASSES,
        has_points=False,
        equal_widths=False,
        weights=LossWeights(kl=1.0),  # as printed
        make=_no_term,
    ),
    Method(
        name="fsp",
        summary="Gram matrices of neighbouring points for a quarter of the steps, then cross entropy only",
        source=_YIM,
        cost=f"{_FORWARD} and a few matrix products, in the first stage",
        needs=_SAME_STAGES,
        has_points=True,
        equal_widths=True,
        weights=LossWeights(knowledge=1.0),
        make=lambda settings: _terms().fsp_term(settings.reduction),
        first_stage=0.25,  # as in the source: 21,000 iterations, then 64,000
    ),
    Method(
        name="fsp_kd",
        summary="cross entropy + KL + Gram matrices of neighbouring points, together",
        source=f"{_YIM}, joined with Hinton, Vinyals and Dean, 2015, arXiv",
        cost=f"{_FORWARD} and a few matrix products",
        needs=f"{_SAME_CLASSES}, {_SAME_STAGES}",
        has_points=True,
        equal_widths=True,
        weights=LossWeights(kl=1.0, knowledge=1.0),  # equal, as the cross-layer paper sums its terms
        make=lambda settings: _terms().fsp_term(settings.reduction),
    ),
    Method(
        name="cross_layer",
        summary="cross entropy + KL + Gram matrices of points up to --cross apart",
        source="Chou, Chiu and Liao, 2021, APSIPA Transactions (P1 + P2)",
        cost=f"{_FORWARD} and a matrix product a pair of points",
        needs=f"{_SAME_CLASSES}, {_SAME_STAGES}",
        has_points=True,
        equal_widths=True,
        weights=LossWeights(kl=1.0, knowledge=1.0),  # as printed
        make=lambda settings: _terms().cross_layer_term(settings.max_distance, settings.reduction),
    ),
    Method(
        name="rkd",
        summary="cross entropy + distances (25) and angles (50) between the pictures of a batch",
        source="Park, Kim, Lu and Cho, 2019, CVPR",
        cost=f"{_FORWARD}; memory grows with the batch's cube",
        needs="the last point; three pictures a batch or more",
        has_points=True,
        equal_widths=False,
        weights=LossWeights(knowledge=1.0),  # 25 and 50, inside the term, are the authors' code for classification
        make=lambda _: _terms().rkd_term(),
    ),
    Method(
        name="at",
        summary="cross entropy + 1000 attention transfer",
        source="Zagoruyko and Komodakis, 2017, ICLR",
        cost=_FORWARD,
        needs="as many points on both sides",
        has_points=True,
        equal_widths=False,
        weights=LossWeights(knowledge=1000.0),  # the authors' code
        make=lambda _: _terms().attention_transfer_term(),
    ),
    Method(
        name="sskd",
        summary="cross entropy + correlations of leading singular vectors",
        source="Lee, Kim and Song, 2018, ECCV",
        cost=f"{_FORWARD} and two decompositions a point and picture, which on CUDA wait for the host",
        needs=_SAME_STAGES,
        has_points=True,
        equal_widths=True,
        weights=LossWeights(knowledge=1.0),  # the authors add both losses; their clipping is --clip's
        make=lambda _: _terms().singular_vector_term(),
    ),
    Method(
        name="dkd",
        summary="cross entropy + KL in two parts, the target class (1) and the others (8)",
        source="Zhao, Cui, Song, Qiu and Liang, 2022, CVPR",
        cost=_FORWARD,
        needs=_SAME_CLASSES,
        has_points=False,
        equal_widths=False,
        weights=LossWeights(knowledge=1.0),  # 1 and 8, inside the term, are published
        make=lambda settings: _terms().dkd_term(settings.temperature, squared_temperature=settings.squared_temperature),
    ),
)
