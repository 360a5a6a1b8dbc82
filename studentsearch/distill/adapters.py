"""Adapters: what brings a teacher's feature maps to the widths of a student's, in training only."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from studentsearch.distill.maps import as_map
from studentsearch.errors import UsageError


class Adapters(nn.Module):
    """One 1x1 convolution without bias for every feature point, from the teacher's width to the student's.

    Trained with the student and never exported. A point that is as wide on both sides passes as it is, without
    parameters.
    """

    def __init__(
        self,
        teacher_widths: Sequence[int],
        student_widths: Sequence[int],
        *,
        generator: torch.Generator,
    ) -> None:
        """Draw fresh weights.

        Args:
            teacher_widths: Channels of the teacher's feature points, shallow to deep.
            student_widths: Channels of the student's, as many.
            generator: Where the weights are drawn from, on the CPU; move the module afterwards.

        Raises:
            UsageError: If the points are not as many on both sides; name the points of both networks.
        """
        super().__init__()
        if len(teacher_widths) != len(student_widths):
            raise UsageError(
                f"found {len(student_widths)} feature points in the student and {len(teacher_widths)} in the "
                "teacher; expected the same number; name the points of both networks"
            )
        self.points = nn.ModuleList(
            nn.Identity() if teacher == student else _convolution(teacher, student, generator)
            for teacher, student in zip(teacher_widths, student_widths, strict=True)
        )

    def forward(self, points: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The teacher's feature points at the student's widths.

        Args:
            points: `[B, C_i, H_i, W_i]` of the teacher, or `[B, C_i]`.

        Returns:
            As many, `[B, S_i, H_i, W_i]`; a point that needs no adapter is the same tensor.
        """
        return tuple(_adapted(adapter, point) for adapter, point in zip(self.points, points, strict=True))


def _convolution(teacher: int, student: int, generator: torch.Generator) -> nn.Conv2d:
    """Normal weights with variance 1 / fan_in, which keeps the size of the maps."""
    # A layer draws weights when it is made, which must not move the global generator.
    with torch.random.fork_rng(devices=[]):
        convolution = nn.Conv2d(teacher, student, kernel_size=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_in", nonlinearity="linear", generator=generator)
    return convolution


def _adapted(adapter: nn.Module, point: Tensor) -> Tensor:
    if isinstance(adapter, nn.Identity):
        return point
    adapted: Tensor = adapter(as_map(point).to(next(adapter.parameters()).dtype))
    return adapted
