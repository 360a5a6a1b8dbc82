from collections.abc import Sequence

import pytest
import torch
from torch import nn

from studentsearch.distill.adapters import Adapters
from studentsearch.distill.loss import Knowledge
from studentsearch.distill.losses.cross_layer import CrossLayer
from studentsearch.errors import UsageError


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def maps(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=draw(3), dtype=dtype)


def passing_first(teacher: Sequence[int], student: Sequence[int]) -> Adapters:
    """Adapters that pass the first channels on, in order."""
    adapters = Adapters(teacher, student, generator=draw())
    for weight in adapters.parameters():
        nn.init.dirac_(weight)
    return adapters


def neighbours(student: tuple[torch.Tensor, ...], teacher: tuple[torch.Tensor, ...]) -> torch.Tensor:
    known = (Knowledge(logits=torch.zeros(2, 1), points=points) for points in (student, teacher))
    return CrossLayer(max_distance=1)(*known, torch.zeros(2))


def test_only_where_widths_differ():
    adapters = Adapters((8, 16, 32), (8, 12, 40), generator=draw())
    assert [tuple(weight.shape) for weight in adapters.parameters()] == [(12, 16, 1, 1), (40, 32, 1, 1)]
    assert isinstance(adapters.points[0], nn.Identity)
    points = (maps(2, 8, 4, 4), maps(2, 16, 4, 4), maps(2, 32))
    adapted = adapters(points)
    assert adapted[0] is points[0]
    assert [tuple(point.shape) for point in adapted] == [(2, 8, 4, 4), (2, 12, 4, 4), (2, 40, 1, 1)]
    expected = torch.einsum("sc,bchw->bshw", adapters.points[1].weight[:, :, 0, 0], points[1])
    torch.testing.assert_close(adapted[1], expected)


def test_seeded_and_apart_from_the_global_generator():
    before = torch.get_rng_state()
    first, again, other = (Adapters((64,), (128,), generator=draw(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weight = first.points[0].weight
    assert torch.equal(weight, again.points[0].weight)
    assert not torch.equal(weight, other.points[0].weight)
    assert weight.std().item() == pytest.approx(64**-0.5, rel=0.05)  # 8192 draws: 0.8 % expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adapters_that_pass_the_first_channels_change_nothing(dtype):
    student = (maps(2, 3, 4, 4, dtype=dtype), maps(2, 5, 2, 2, dtype=dtype))
    teacher = tuple(point + 1 for point in student)
    adapters = passing_first((6, 10), (3, 5)).to(dtype)
    adapted = adapters(tuple(torch.cat((point, point), 1) for point in teacher))
    assert len(list(adapters.parameters())) == 2
    assert all(torch.equal(one, two) for one, two in zip(adapted, teacher, strict=True))
    assert torch.equal(neighbours(student, adapted), neighbours(student, teacher))


def test_the_loss_trains_them():
    adapters = Adapters((6, 7), (3, 5), generator=draw())
    student = (maps(2, 3, 4, 4), maps(2, 5, 2, 2))
    neighbours(student, adapters((maps(2, 6, 4, 4), maps(2, 7, 2, 2)))).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in adapters.parameters())


def test_bfloat16_maps():
    adapters = Adapters((6,), (3,), generator=draw())
    assert adapters((maps(2, 6, 4, 4).bfloat16(),))[0].dtype == torch.float32


def test_unequal_numbers_of_points():
    with pytest.raises(
        UsageError, match=r"found 1 feature points in the student and 2 in the teacher; expected the same"
    ):
        Adapters((3, 4), (3,), generator=draw())
