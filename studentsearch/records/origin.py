"""Where a student comes from, and what its images look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from studentsearch.records.bounds import Digest, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a student comes from and what its images look like.

    Attributes:
        teacher: Name of the teacher; empty where labels alone taught.
        teacher_sha256: Hash of its weights; empty where there is none.
        data: Name of the data.
        data_sha256: Fingerprint of the data.
        classes: Names of the classes, in the order of the logits.
        mean: Channel means that inputs are normalised with, pixels in 0..1.
        std: Channel standard deviations.
        architecture: Model name where nothing was cut; empty for a student that was cut out of its teacher.
    """

    teacher: Text
    teacher_sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
    data: Text
    data_sha256: Digest
    classes: Annotated[tuple[Text, ...], Meta(max_length=1_000_000)]
    mean: Annotated[tuple[float, ...], Meta(min_length=1, max_length=100)]
    std: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1, max_length=100)]
    architecture: Text = ""

    @property
    def words(self) -> str:
        """What the student is, for titles: `Student of densenet`, `resnet8 taught by resnet32`."""
        if not self.architecture:
            return f"Student of {self.teacher}"
        return f"{self.architecture} taught by {self.teacher or 'labels alone'}"
