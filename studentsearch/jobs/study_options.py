"""The rows of a study and what a user chooses of it; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from studentsearch.errors import UsageError
from studentsearch.jobs.method_options import MethodOptions
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.records.recipe import TrainingRecipe

if TYPE_CHECKING:
    from studentsearch.distill.clipping import ClippingMode


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """One row of the table.

    Attributes:
        name: As the table has it.
        method: The loss.
        has_all_teachers: Whether all teachers of the study teach, or the first alone.
    """

    name: str
    method: MethodOptions
    has_all_teachers: bool = False


def study_rows(clipping: ClippingMode) -> tuple[StudyRow, ...]:
    """The rows of the cross-layer publication, and what they are here.

    P1 is cross-layer matrices (distances 1 to 3), P2 the KL term, P3 an ensemble of teachers. Alone, P3 is the
    ensemble's mean over matrices of neighbouring points, since an ensemble needs a term to take the mean of.

    Args:
        clipping: Of the matrices' gradients.

    Returns:
        The rows, in the table's order.

    Source:
        Chou, Chiu and Liao, APSIPA Transactions 10, 2021, e18, section IV.
    """
    matrices = MethodOptions(name="cross_layer", clipping=clipping)
    alone = replace(matrices, kl=0.0)
    return (
        StudyRow(name="alone", method=MethodOptions(name="none")),
        StudyRow(name="hinton", method=MethodOptions(name="hinton")),
        StudyRow(name="fsp", method=MethodOptions(name="fsp")),
        StudyRow(name="P1", method=alone),
        StudyRow(name="P2", method=MethodOptions(name="kl")),
        StudyRow(name="P3", method=replace(alone, settings={"max_distance": 1}), has_all_teachers=True),
        StudyRow(name="P1+P2", method=matrices),
        StudyRow(name="P1+P2+P3", method=matrices, has_all_teachers=True),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """What a user chooses of a study.

    Attributes:
        teacher: Model name of the teachers.
        student: Model name of the students.
        out: The study's folder.
        rows: Names of rows; none means all.
        num_teachers: Teachers that are taught, seeds 0, 1, ...
        seeds: Seeds of every row.
        clipping: Of the cross-layer matrices' gradients.
        data: The images.
        compute: Device, precision, threads; its seed is the first teacher's and each row's first.
        teaching: How teachers are trained.
        distilling: How students are trained.
    """

    teacher: str
    student: str
    out: Path
    rows: tuple[str, ...] = ()
    num_teachers: int = 3
    seeds: int = 3
    clipping: ClippingMode = "printed"
    data: DataOptions = field(default_factory=DataOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    teaching: TrainingRecipe = field(default_factory=TrainingRecipe)
    distilling: TrainingRecipe = field(default_factory=TrainingRecipe)

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything.

        Raises:
            UsageError: No teachers, no seeds, or a row that does not exist.
        """
        if self.num_teachers < 1 or self.seeds < 1:
            raise UsageError(f"found {self.num_teachers} teachers and {self.seeds} seeds; expected at least 1 of each")
        known = [row.name for row in study_rows(self.clipping)]
        unknown = [name for name in self.rows if name not in known]
        if unknown:
            raise UsageError(f"found row {unknown[0]}; expected some of {', '.join(known)}")
