"""What a user may choose, shared by the jobs; the command line fills these in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Which images, and how they are seen.

    Attributes:
        name: `digits`, `cifar10`, `folder:PATH`, ...; None means what the model was published for.
        data_root: Folder of named data sets; None means the default.
        download: Whether the network may be used.
        image_size: Resize images to this many pixels; None leaves them.
        augment: Augmentation in words; None means what fits the data.
        mean: Channel means as the user typed them; None means the teacher's or the data's own.
        std: Channel standard deviations as the user typed them.
    """

    name: str | None = None
    data_root: Path | None = None
    download: bool = False
    image_size: int | None = None
    augment: str | None = None
    mean: str | None = None
    std: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeOptions:
    """Where and how precisely to compute.

    Attributes:
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        precision: `auto`, `float32`, `bf16`.
        threads: CPU threads; None means all.
        seed: Seed of everything random.
    """

    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    seed: int = 0
