from collections.abc import Sequence

import pytest
import torch

from studentsearch.distill.gram import Gram, squared_distance
from studentsearch.distill.loss import Knowledge
from studentsearch.distill.losses.cross_layer import CrossLayer, gram_matrices, point_pairs
from studentsearch.distill.losses.fsp import Fsp
from studentsearch.distill.maps import pooled
from studentsearch.errors import UsageError


def made(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made_points(*shapes: tuple[int, ...], seed: int = 0) -> tuple[torch.Tensor, ...]:
    return tuple(made(*shape, seed=seed + index) for index, shape in enumerate(shapes))


def knowledge(points: Sequence[torch.Tensor]) -> Knowledge:
    return Knowledge(logits=torch.zeros(2, 1), points=tuple(points))


def gram_matrix(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    (matrix,) = gram_matrices((first, second), 1)
    return matrix.entries


def cross_layer_loss(student, teacher, max_distance: int = 3, reduction: str = "sum") -> torch.Tensor:
    term = CrossLayer(max_distance=max_distance, reduction=reduction)  # type: ignore[arg-type]
    return term(knowledge(student), knowledge(teacher), torch.zeros(2))


SHAPES = ((2, 3, 8, 8), (2, 3, 8, 8), (2, 4, 4, 4), (2, 5, 2, 2))


def naive_gram(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    size = (min(first.shape[2], second.shape[2]), min(first.shape[3], second.shape[3]))
    first, second = (torch.nn.functional.adaptive_avg_pool2d(maps, size) for maps in (first, second))
    matrix = torch.zeros(first.shape[0], first.shape[1], second.shape[1], dtype=torch.float64)
    for row in range(size[0]):
        for column in range(size[1]):
            for i in range(first.shape[1]):
                for j in range(second.shape[1]):
                    matrix[:, i, j] += first[:, i, row, column] * second[:, j, row, column]
    return matrix / (size[0] * size[1])


def test_gram_matrix_by_hand():
    first = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 1.0]]]], dtype=torch.float64)
    second = torch.tensor([[[[2.0, 0.0], [0.0, 2.0]]]], dtype=torch.float64)
    # sums of products 10 and 2 over 4 positions
    assert gram_matrix(first, second).tolist() == [[[2.5], [0.5]]]
    # the larger map is averaged first: 2.5 and 0.5 at its one position
    assert gram_matrix(first, torch.tensor([[[[3.0]]]], dtype=torch.float64)).tolist() == [[[7.5], [1.5]]]


def test_vectors_are_maps_of_one_position():
    first, second = made(2, 3), made(2, 4, seed=1)
    assert torch.equal(gram_matrix(first, second), first[:, :, None] * second[:, None])


@pytest.mark.parametrize(
    "sizes", [((8, 8), (4, 4)), ((4, 4), (8, 8)), ((7, 7), (3, 3)), ((8, 2), (4, 6)), ((6, 9), (2, 3))]
)
def test_gram_matrix_against_loops(sizes):
    first, second = made(2, 3, *sizes[0]), made(2, 4, *sizes[1], seed=1)
    # float64; only the order of summation differs
    torch.testing.assert_close(gram_matrix(first, second), naive_gram(first, second), atol=1e-13, rtol=0)


def test_gram_matrix_is_float32_at_least():
    first, second = made(2, 3, 4, 4), made(2, 4, 4, 4, seed=1)
    assert gram_matrix(first.bfloat16(), second.bfloat16()).dtype == torch.float32
    assert gram_matrix(first, second).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = gram_matrix(first.float(), second.float())
    assert torch.equal(inside, gram_matrix(first.float(), second.float()))


@pytest.mark.parametrize("size", [(4, 4), (4, 6), (3, 2), (5, 7), (12, 12)])
def test_pooling_is_average_pooling(size):
    maps = made(2, 3, 12, 12)
    torch.testing.assert_close(
        pooled(maps, size), torch.nn.functional.adaptive_avg_pool2d(maps, size), atol=1e-14, rtol=0
    )


def test_pairs_of_points():
    assert point_pairs(4, 3) == ((0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3))
    assert point_pairs(2, 1) == ((0, 1),)
    assert [len(point_pairs(6, distance)) for distance in (1, 2, 3, 4)] == [5, 9, 12, 14]


@pytest.mark.parametrize(
    ("num_points", "max_distance", "message"),
    [
        (4, 4, r"found --cross 4 and 4 feature points; expected at least 5 points; choose 1 to 3"),
        (1, 1, r"found --cross 1 and 1 feature points; expected at least 2 points; name more points"),
    ],
)
def test_distances_out_of_range(num_points, max_distance, message):
    with pytest.raises(UsageError, match=message):
        point_pairs(num_points, max_distance)


def test_loss_by_hand():
    # two images, vectors of width 1: G is a product
    student = tuple(torch.tensor([[value], [0.0]], dtype=torch.float64) for value in (1.0, 2.0, 3.0))
    teacher = tuple(torch.tensor([[value], [1.0]], dtype=torch.float64) for value in (2.0, 2.0, 1.0))
    # image 0: (4 - 2)^2, (2 - 6)^2, (2 - 3)^2; image 1: 1 each
    assert cross_layer_loss(student, teacher, 1).item() == (4 + 16 + 2) / 2
    assert cross_layer_loss(student, teacher, 2).item() == (4 + 16 + 1 + 3) / 2


def test_means_weigh_every_matrix_by_its_entries():
    student, teacher = made_points(*SHAPES[1:3]), made_points(*SHAPES[1:3], seed=1)
    summed, averaged = (cross_layer_loss(student, teacher, 1, reduction) for reduction in ("sum", "mean"))
    torch.testing.assert_close(averaged, summed / 12)


@pytest.mark.parametrize("max_distance", [1, 2, 3])
def test_loss_against_loops(max_distance):
    student, teacher = made_points(*SHAPES), made_points(*SHAPES, seed=9)
    expected = torch.zeros((), dtype=torch.float64)
    for shallow in range(4):
        for deep in range(4):
            if 1 <= deep - shallow <= max_distance:
                difference = naive_gram(teacher[shallow], teacher[deep]) - naive_gram(student[shallow], student[deep])
                for image in difference:
                    expected += sum(entry**2 for entry in image.flatten()) / 2
    # float64; only the order of summation differs
    torch.testing.assert_close(cross_layer_loss(student, teacher, max_distance), expected, atol=1e-11, rtol=0)


def test_points_that_do_not_divide_evenly_are_pooled_from_themselves():
    # 12 to 8 is uneven; 4 must come from the 12, not from the 8
    shapes = ((2, 3, 12, 12), (2, 3, 8, 8), (2, 3, 4, 4))
    student, teacher = made_points(*shapes), made_points(*shapes, seed=9)
    expected = sum(
        ((naive_gram(teacher[i], teacher[j]) - naive_gram(student[i], student[j])) ** 2).sum() / 2
        for i, j in ((0, 1), (1, 2), (0, 2))
    )
    torch.testing.assert_close(cross_layer_loss(student, teacher, 2), expected, atol=1e-12, rtol=0)


def test_sizes_of_maps_may_differ_between_networks():
    student = made_points((2, 3, 4, 4), (2, 3, 2, 2))
    teacher = tuple(point.repeat_interleave(2, 2).repeat_interleave(2, 3) for point in student)
    assert cross_layer_loss(student, teacher, 1).item() == pytest.approx(0, abs=1e-28)


def test_fsp_is_distance_one():
    student, teacher = made_points(*SHAPES), made_points(*SHAPES, seed=9)
    expected = sum(
        ((naive_gram(*teacher[i : i + 2]) - naive_gram(*student[i : i + 2])) ** 2).sum() / 2 for i in range(3)
    )
    torch.testing.assert_close(
        Fsp(reduction="sum")(knowledge(student), knowledge(teacher), torch.zeros(2)), expected, atol=1e-12, rtol=0
    )


def test_gradients():
    shapes = ((2, 2, 4, 4), (2, 1, 4, 4), (2, 2, 3, 3), (2, 2, 1, 1))
    inputs = [point.requires_grad_() for point in (*made_points(*shapes), *made_points(*shapes, seed=9))]
    assert torch.autograd.gradcheck(lambda *points: cross_layer_loss(points[:4], points[4:], 3), inputs, fast_mode=True)


def test_refusals():
    points = made_points(*SHAPES)
    with pytest.raises(UsageError, match=r"found Gram matrices of 3x3, .* in the student and 3x3, .* in the teacher"):
        cross_layer_loss(points, points[:3], 1)
    with pytest.raises(UsageError, match=r"found --cross 1 and 0 feature points; expected at least 2 points"):
        cross_layer_loss((), (), 1)
    wider = (*points[:2], made(2, 8, 4, 4), points[3])
    message = r"found Gram matrices of 3x4 in the student and 3x8 in the teacher; expected the same; .*put adapters"
    with pytest.raises(UsageError, match=message):
        cross_layer_loss(points[1:3], wider[1:3], 1)


def grams(num_positions: int, channels: tuple[int, int], seed: int, dtype: torch.dtype = torch.float64) -> Gram:
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(3, width, num_positions, 1, generator=generator, dtype=dtype) for width in channels)
    return Gram(first.requires_grad_(), second.requires_grad_())


def matrices_difference(first: Gram, second: Gram) -> torch.Tensor:
    def matrices(gram: Gram) -> torch.Tensor:
        return torch.einsum("bni,bnj->bij", gram.first, gram.second) / gram.num_positions

    return ((matrices(first) - matrices(second)) ** 2).sum()


@pytest.mark.parametrize(("own", "others"), [(1, 1), (4, 4), (4, 6), (7, 2), (40, 40), (40, 3)])
def test_distance_of_two_matrices_is_theirs_whether_they_are_made_or_not(own: int, others: int):
    student, teacher = grams(own, (9, 11), 0), grams(others, (9, 11), 1)
    found, expected = squared_distance(student, teacher), matrices_difference(student, teacher)
    torch.testing.assert_close(found, expected, atol=0, rtol=1e-13)  # float64; only the order of summation differs
    maps = (student.first, student.second, teacher.first, teacher.second)
    for gradient, right in zip(torch.autograd.grad(found, maps), torch.autograd.grad(expected, maps), strict=True):
        torch.testing.assert_close(gradient, right, atol=1e-13, rtol=1e-11)  # sums of up to 40 x 99 products


def test_matrices_of_few_positions_are_never_made_and_others_once():
    few, many = grams(4, (9, 11), 0), grams(40, (9, 11), 0)
    squared_distance(few, grams(4, (9, 11), 1))
    assert "entries" not in vars(few)
    squared_distance(many, grams(40, (9, 11), 1))
    assert many.entries is many.entries
    assert "entries" in vars(many)


@pytest.mark.parametrize("num_positions", [4, 40])
def test_equal_networks_are_nothing_apart_in_float32(num_positions: int):
    own, same = (grams(num_positions, (9, 11), 0, torch.float32) for _ in range(2))
    assert squared_distance(own, same).item() == 0


def test_close_networks_keep_three_digits_in_float32():
    maps = made_points((3, 64, 2, 2), (3, 128, 2, 2))
    near = [1.01 * point for point in maps]
    expected = matrices_difference(Gram(*maps), Gram(*near)).item()
    found = squared_distance(Gram(*(point.float() for point in maps)), Gram(*(point.float() for point in near)))
    # The inner products are 2,500 times as large as what is left of them.
    assert found.item() == pytest.approx(expected, rel=1e-3)
