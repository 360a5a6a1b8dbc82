"""Feature maps of two networks beside each other: same number, same size, arithmetic in float32 at least."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

from studentsearch.errors import UsageError


def in_full_precision(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is where it is wider."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def without_autocast(tensor: Tensor) -> torch.autocast:
    """A context on the tensor's device in which matrix products keep the precision of what they are given."""
    return torch.autocast(tensor.device.type, enabled=False)


def as_map(point: Tensor) -> Tensor:
    """A feature point as a map: `[B, C, H, W]` as it is, a vector `[B, C]` as a map of one position."""
    return point[:, :, None, None] if point.dim() == 2 else point


def size_of(maps: Tensor) -> tuple[int, int]:
    """Height and width of a map `[B, C, H, W]`."""
    return maps.shape[2], maps.shape[3]


def smaller_size(first: Tensor, second: Tensor) -> tuple[int, int]:
    """Height and width that two maps `[B, C, H, W]` can both be pooled to: the smaller of each."""
    return min(first.shape[2], second.shape[2]), min(first.shape[3], second.shape[3])


def pooled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """The mean of a map over equal parts of its positions.

    Args:
        maps: `[B, C, H, W]`.
        size: Height and width wanted, at most those of the map.

    Returns:
        `[B, C, size]`; the same tensor where the size is right already.
    """
    if size_of(maps) == size:
        return maps
    if not is_even(maps, size):
        return F.adaptive_avg_pool2d(maps, size)
    pooled_maps: Tensor = _EvenMean.apply(maps, size)
    return pooled_maps


class _EvenMean(torch.autograd.Function):
    """The mean over equal parts, in the memory order of the map forward and channels last backward.

    Average pooling reorders channels-last float32 maps on a CPU, several times the work of the mean itself.
    """

    @staticmethod
    def forward(context: FunctionCtx, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Add up the entries at the same place of every part."""
        rows, columns = maps.shape[2] // size[0], maps.shape[3] // size[1]
        context.parts = (rows, columns)  # type: ignore[attr-defined]
        total = maps[:, :, ::rows, ::columns].clone()
        for place in range(1, rows * columns):
            total += maps[:, :, place // columns :: rows, place % columns :: columns]
        return total / (rows * columns)

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        """Every entry of a part has its mean's gradient, divided by their number."""
        rows, columns = context.parts  # type: ignore[attr-defined]
        last = (gradient / (rows * columns)).permute(0, 2, 3, 1)
        batch, height, width, channels = last.shape
        spread = last[:, :, None, :, None].expand(batch, height, rows, width, columns, channels)
        return spread.reshape(batch, height * rows, width * columns, channels).permute(0, 3, 1, 2), None


def is_even(maps: Tensor, size: tuple[int, int]) -> bool:
    """Whether a map `[B, C, H, W]` falls into parts of one size when it is pooled to `size`."""
    return maps.shape[2] % size[0] == 0 and maps.shape[3] % size[1] == 0


def paired(student_points: Sequence[Tensor], teacher_points: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Student's and teacher's feature points side by side.

    Args:
        student_points: `[B, C, H, W]` or `[B, C]` each, shallow to deep.
        teacher_points: As many.

    Returns:
        Pairs of maps `[B, C, H, W]`.

    Raises:
        UsageError: If there are none, or not as many on both sides; name the points of both networks.
    """
    if not student_points or len(student_points) != len(teacher_points):
        raise UsageError(
            f"found {len(student_points)} feature points in the student and {len(teacher_points)} in the teacher; "
            "expected the same number, one at least; name the points of both networks"
        )
    return [(as_map(student), as_map(teacher)) for student, teacher in zip(student_points, teacher_points, strict=True)]


def check_widths(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Refuse feature points that are wider in one network than in the other.

    Args:
        pairs: Student's and teacher's maps `[B, C, H, W]`, as `paired` gives them.

    Raises:
        UsageError: If the channels of a point differ; an adapter on the teacher's map is the cure.
    """
    for number, (student, teacher) in enumerate(pairs, start=1):
        if student.shape[1] != teacher.shape[1]:
            raise UsageError(
                f"feature point {number} of {len(pairs)} has {student.shape[1]} channels in the student and "
                f"{teacher.shape[1]} in the teacher; expected the same width; put an adapter, a trainable 1x1 "
                "convolution, on the teacher's map"
            )
