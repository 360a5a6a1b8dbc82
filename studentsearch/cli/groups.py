"""Options that belong together, gathered in frozen groups: a command takes a group, its user sees the options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, get_type_hints

from studentsearch.cli import options as option
from studentsearch.cli.milestones import parse_milestones
from studentsearch.cli.options import given

if TYPE_CHECKING:
    from studentsearch.jobs.options import ComputeOptions, DataOptions
    from studentsearch.records.recipe import TrainingRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class DataGroup:
    """Which images, and how they are seen."""

    data: option.DataName = None
    data_root: option.DataRoot = None
    download: option.Download = False
    image_size: option.ImageSize = None
    mean: option.Mean = None
    std: option.Std = None
    augment: option.Augment = None

    def options(self, *, data: str | None = None, augment: str | None = None) -> DataOptions:
        """What the user chose.

        Args:
            data: The images where none were chosen.
            augment: The augmentation where none was chosen.

        Returns:
            The options of a job.
        """
        from studentsearch.jobs.options import DataOptions

        return DataOptions(
            name=self.data or data,
            data_root=self.data_root,
            download=self.download,
            image_size=self.image_size,
            augment=self.augment or augment,
            mean=self.mean,
            std=self.std,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeGroup:
    """Where and how precisely to compute."""

    device: option.Device = "auto"
    precision: option.Precision = "auto"
    threads: option.Threads = None
    seed: option.Seed = 0

    def options(self) -> ComputeOptions:
        """What the user chose."""
        from studentsearch.jobs.options import ComputeOptions

        return ComputeOptions(device=self.device, precision=self.precision, threads=self.threads, seed=self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingGroup:
    """How a network is trained."""

    recipe: option.RecipeName = None
    epochs: option.Epochs = None
    steps: option.TrainingSteps = None
    batch: option.Batch = None
    rate: option.Rate = None
    schedule: option.ScheduleName = None
    milestones: option.Milestones = None
    warmup: option.Warmup = None
    weight_decay: option.WeightDecay = None

    def training(self, base: TrainingRecipe) -> TrainingRecipe:
        """A recipe with what the user chose in its place.

        Args:
            base: What holds where nothing was chosen.

        Returns:
            The recipe.
        """
        from dataclasses import replace

        length = given(self.epochs, base.epochs)
        points = (
            None
            if self.milestones is None
            else parse_milestones(self.milestones, epochs=length, has_steps=self.steps is not None)
        )
        return replace(
            base,
            epochs=length,
            steps=given(self.steps, base.steps),
            batch=given(self.batch, base.batch),
            rate=given(self.rate, base.rate),
            schedule=given(self.schedule, base.schedule),
            milestones=given(points, base.milestones),
            warmup=given(self.warmup, base.warmup),
            weight_decay=given(self.weight_decay, base.weight_decay),
        )


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose groups are taken apart into options.

    Args:
        command: Some of its parameters are annotated with frozen dataclasses whose fields are options.

    Returns:
        The same command with a flat signature, which Typer reads.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @wraps(command)
    def run(**values: Any) -> None:
        gathered = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**values, **gathered)

    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        parameters += _taken_apart(groups[name]) if name in groups else [parameter.replace(annotation=hints[name])]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__
    return run


def _taken_apart(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]
