"""What a user chooses for a search; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.search.recipe import SearchRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What a user chooses for a search.

    Attributes:
        teacher: Registry name, `python:module:function` or a student folder.
        budgets: What is kept, in words: `90M`, `30%`.
        out: The run folder.
        weights: The teacher's weights; None means embedded or published ones.
        data: The images.
        compute: Device, precision, threads, seed.
        recipe: How the search moves.
        skip: Patterns of module paths whose layers keep all channels.
        logits: Name or position of the output that is searched with; None means the weights' own, or the usual one.
    """

    teacher: str
    budgets: tuple[str, ...]
    out: Path
    weights: Path | None = None
    data: DataOptions = field(default_factory=DataOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    recipe: SearchRecipe = field(default_factory=SearchRecipe)
    skip: tuple[str, ...] = ()
    logits: str | None = None
