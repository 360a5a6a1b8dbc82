"""Every published loss against its formula, written with loops."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from studentsearch.distill.losses import dkd, rkd, sskd
from studentsearch.distill.losses.at import attention_transfer_loss
from studentsearch.distill.losses.rkd import embedding, relations
from studentsearch.distill.losses.sskd import right_singular_vectors
from studentsearch.divergence import distillation_kl
from studentsearch.errors import UsageError


def made(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def huber(a: float, b: float) -> float:
    return 0.5 * (a - b) ** 2 if abs(a - b) <= 1 else abs(a - b) - 0.5


# --- RKD


def rkd_loss(student: torch.Tensor, teacher: torch.Tensor, distance: float = 25.0, angle: float = 50.0) -> torch.Tensor:
    """Of embeddings."""
    return rkd.rkd_loss(relations(student), relations(teacher), distance_weight=distance, angle_weight=angle)


def rkd_distance_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    return rkd_loss(student, teacher, 1.0, 0.0)


def rkd_angle_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    return rkd_loss(student, teacher, 0.0, 1.0)


def naive_distance_loss(student: torch.Tensor, teacher: torch.Tensor) -> float:
    """As the authors' code: over the mean of the positive distances, averaged over the whole matrix."""
    size = range(len(student))
    relative = []
    for points in (student, teacher):
        distances = [math.dist(points[i].tolist(), points[j].tolist()) for i in size for j in size]
        positive = [distance for distance in distances if distance > 0]
        relative.append([distance / (sum(positive) / len(positive)) for distance in distances])
    return sum(huber(a, b) for a, b in zip(*relative, strict=True)) / len(size) ** 2


def naive_angle_loss(student: torch.Tensor, teacher: torch.Tensor) -> float:
    """As the authors' code: directions of length 1, or 0 from a point to itself, averaged over the whole array."""
    size = range(len(student))

    def direction(points: torch.Tensor, start: int, end: int) -> torch.Tensor:
        difference = points[end] - points[start]
        return difference / max(difference.norm().item(), 1e-12)

    def cosine(points: torch.Tensor, i: int, j: int, k: int) -> float:
        return (direction(points, j, i) @ direction(points, j, k)).item()

    triples = [(i, j, k) for i in size for j in size for k in size]
    return sum(huber(cosine(student, *triple), cosine(teacher, *triple)) for triple in triples) / len(size) ** 3


def test_relations_by_hand():
    # distances 1, 1, 2 on a line against 1, 1, sqrt 2 at a right angle; each stands twice among 9 entries
    line = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    corner = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    mean = (2 + math.sqrt(2)) / 3
    one, two = 1 / (4 / 3) - 1 / mean, 2 / (4 / 3) - math.sqrt(2) / mean
    distances = 2 * (2 * one**2 + two**2) / 2 / 9
    assert rkd_distance_loss(line, corner).item() == pytest.approx(distances, abs=1e-15)
    # at the middle -1 against 0, at both ends 1 against sqrt 1/2; each stands twice among 27 entries
    angles = 2 * (0.5 + 2 * 0.5 * (1 - math.sqrt(0.5)) ** 2) / 27
    assert rkd_angle_loss(line, corner).item() == pytest.approx(angles, abs=1e-15)
    assert rkd_loss(line, corner).item() == pytest.approx(25 * distances + 50 * angles, abs=1e-13)


def test_relations_against_loops():
    student, teacher = made(5, 3), 4 * made(5, 6, seed=1) ** 3
    assert rkd_distance_loss(student, teacher).item() == pytest.approx(naive_distance_loss(student, teacher), abs=1e-13)
    assert rkd_angle_loss(student, teacher).item() == pytest.approx(naive_angle_loss(student, teacher), abs=1e-13)


def test_relations_of_equal_images_have_finite_gradients():
    student = made(4, 3)
    student[1] = student[0]
    student.requires_grad_()
    rkd_loss(student, made(4, 5, seed=1)).backward()
    assert student.grad.isfinite().all()
    assert student.grad.abs().max() < 1e3
    same = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    rkd_loss(same, made(4, 5, seed=1)).backward()
    assert same.grad.isfinite().all()


@pytest.mark.parametrize("size", [1, 2])
def test_batches_too_small_for_relations(size):
    # the angle between a direction and itself is rounded
    assert rkd_loss(made(size, 3), made(size, 4, seed=1)).item() == pytest.approx(0, abs=1e-28)


def test_embedding_is_the_mean_over_positions():
    maps = made(2, 3, 4, 5)
    torch.testing.assert_close(embedding(maps), maps.flatten(2).mean(2))
    assert torch.equal(embedding(maps[:, :, 0, 0]), maps[:, :, 0, 0])


# --- attention transfer


def test_attention_by_hand():
    # energies (3^2, 4^2) and (0, 1): (9, 16) / sqrt 337 against (0, 1)
    student = torch.tensor([[[[3.0, 4.0]]]], dtype=torch.float64)
    teacher = torch.tensor([[[[0.0, 0.0]], [[0.0, 1.0]]]], dtype=torch.float64)
    expected = ((9 / math.sqrt(337)) ** 2 + (16 / math.sqrt(337) - 1) ** 2) / 2
    assert attention_transfer_loss((student,), (teacher,)).item() == pytest.approx(expected, abs=1e-15)


def test_attention_against_loops():
    student, teacher = (made(2, 3, 4, 4), made(2, 4, 2, 2)), (made(2, 5, 8, 8, seed=1), made(2, 4, 2, 2, seed=2))
    expected = 0.0
    for one, two in zip(student, teacher, strict=True):
        maps = []
        for point in (one, two):
            energy = sum(point[:, channel] ** 2 for channel in range(point.shape[1]))
            flat = F.adaptive_avg_pool2d(energy, one.shape[2:]).flatten(1)
            maps.append(flat / flat.norm(dim=1, keepdim=True))
        expected += ((maps[0] - maps[1]) ** 2).mean().item()
    assert attention_transfer_loss(student, teacher).item() == pytest.approx(expected, abs=1e-14)


def test_attention_of_a_dead_map_has_a_finite_gradient():
    student = torch.zeros(2, 3, 4, 4, requires_grad=True)
    attention_transfer_loss((student,), (torch.ones(2, 3, 4, 4),)).backward()
    assert student.grad.isfinite().all()


# --- singular vectors


def naive_singular_vector_loss(student_points, teacher_points, num_vectors: int) -> float:
    total = 0.0
    for image in range(len(student_points[0])):
        vectors = []
        for student, teacher in zip(student_points, teacher_points, strict=True):
            matrices = [point[image].flatten(1).T for point in (student, teacher)]
            of_student = torch.linalg.svd(matrices[0], full_matrices=False).Vh[: num_vectors + 3]
            decomposed = torch.linalg.svd(matrices[1], full_matrices=False)
            of_teacher, values = decomposed.Vh[:num_vectors], decomposed.S[:num_vectors]
            one, two = [], []
            for vector, value in zip(of_teacher, values, strict=True):
                weight = value / values.norm()
                signed = -vector if vector.sum() < 0 else vector
                cosines = [candidate @ signed for candidate in of_student]
                best = max(range(len(cosines)), key=lambda index: abs(cosines[index]))
                nearest = -of_student[best] if cosines[best] < 0 else of_student[best]
                one.append(weight * nearest)
                two.append(weight * signed)
            vectors.append((one, two))
        for shallow, deep in pairwise(vectors):
            for k in range(num_vectors):
                correlations = [
                    torch.exp(-((shallow[side][k][:, None] - deep[side][k][None]) ** 2) / 8) for side in (0, 1)
                ]
                total += ((correlations[0] - correlations[1]) ** 2).sum().item()
    return total / len(student_points[0])


def singular_vector_loss(student, teacher, num_vectors: int = 1) -> torch.Tensor:
    return sskd.singular_vector_loss(student, teacher, num_vectors=num_vectors)


SVD_SHAPES = ((3, 5, 4, 4), (3, 6, 3, 3), (3, 12, 2, 3))


@pytest.mark.parametrize("num_vectors", [1, 2])
def test_singular_vectors_against_loops(num_vectors):
    student = [made(*shape, seed=index) for index, shape in enumerate(SVD_SHAPES)]
    teacher = [made(*shape, seed=index + 9) for index, shape in enumerate(SVD_SHAPES)]
    found = singular_vector_loss(student, teacher, num_vectors=num_vectors).item()
    assert found > 0
    assert found == pytest.approx(naive_singular_vector_loss(student, teacher, num_vectors), abs=1e-12)


@pytest.mark.parametrize("shape", SVD_SHAPES)
def test_right_singular_vectors(shape):
    maps = made(*shape)
    vectors, values = right_singular_vectors(maps, 3)
    expected = torch.linalg.svd(maps.flatten(2).transpose(1, 2), full_matrices=False)
    torch.testing.assert_close(values, expected.S[:, :3], atol=1e-12, rtol=0)
    cosines = (vectors * expected.Vh[:, :3].transpose(1, 2)).sum(1).abs()
    torch.testing.assert_close(cosines, torch.ones_like(cosines), atol=1e-12, rtol=0)
    assert (vectors.sum(1) >= 0).all()


@pytest.mark.parametrize("shape", SVD_SHAPES)
def test_derivative_of_singular_vectors(shape):
    maps = made(1, *shape[1:]).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: right_singular_vectors(x, 3)[0], maps)


def test_more_vectors_than_a_map_has():
    vectors, values = right_singular_vectors(made(2, 3, 1, 1), 4)
    assert vectors.shape == (2, 3, 1)
    assert values.shape == (2, 1)


@pytest.mark.parametrize("kind", ["zero", "constant", "orthogonal", "one channel"])
def test_gradients_through_degenerate_maps_are_finite(kind):
    maps = {
        "zero": torch.zeros(2, 4, 3, 3),
        "constant": torch.ones(2, 4, 3, 3),
        "orthogonal": torch.eye(4).reshape(1, 4, 2, 2).repeat(2, 1, 1, 1),
        "one channel": F.pad(torch.ones(2, 1, 3, 3), (0, 0, 0, 0, 0, 3)),
    }[kind].requires_grad_()
    deep = torch.randn(2, 5, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    teacher = [made(2, 4, 3, 3).float(), made(2, 5, 2, 2, seed=1).float()]
    loss = singular_vector_loss((maps, deep), teacher)
    loss.backward()
    assert loss.isfinite()
    assert maps.grad.isfinite().all()
    assert deep.grad.isfinite().all()


def test_maps_that_are_not_finite_show_in_the_loss():
    maps = [made(2, 4, 3, 3), made(2, 5, 2, 2)]
    broken = [maps[0].clone(), maps[1]]
    broken[0][0, 0, 0, 0] = math.inf
    assert singular_vector_loss(broken, maps).isnan()


# --- DKD


def dkd_loss(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, **settings: float | bool
) -> torch.Tensor:
    return dkd.Dkd(**settings).compare(student, teacher, labels)


TEACHER = torch.tensor([[2 * math.log(6.0), 2 * math.log(3.0), 0.0]], dtype=torch.float64)  # 0.6, 0.3, 0.1 at 2
STUDENT = torch.tensor([[2 * math.log(2.0), 0.0, 0.0]], dtype=torch.float64)  # 0.5, 0.25, 0.25 at 2
LABELS = torch.tensor([0])
TARGET = 0.6 * math.log(0.6 / 0.5) + 0.4 * math.log(0.4 / 0.5)
OTHERS = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)


def test_two_parts_by_hand():
    loss = dkd_loss(STUDENT, TEACHER, LABELS, temperature=2.0)
    assert loss.item() == pytest.approx(4 * (TARGET + 8 * OTHERS), abs=1e-14)
    loss = dkd_loss(STUDENT, TEACHER, LABELS, temperature=2.0, alpha=0.5, beta=2.0, squared_temperature=False)
    assert loss.item() == pytest.approx(0.5 * TARGET + 2 * OTHERS, abs=1e-15)


def test_two_parts_against_loops():
    student, teacher, labels = 3 * made(4, 6), 3 * made(4, 6, seed=1), torch.tensor([5, 0, 3, 3])
    total = 0.0
    for one, two, label in zip(student / 4, teacher / 4, labels.tolist(), strict=True):
        probabilities = [
            [math.exp(value) / sum(map(math.exp, row)) for value in row] for row in (one.tolist(), two.tolist())
        ]
        (of_student, of_teacher) = ([p[label], 1 - p[label]] for p in probabilities)
        total += sum(t * math.log(t / s) for s, t in zip(of_student, of_teacher, strict=True))
        (of_student, of_teacher) = (
            [value / (1 - p[label]) for index, value in enumerate(p) if index != label] for p in probabilities
        )
        total += 8 * sum(t * math.log(t / s) for s, t in zip(of_student, of_teacher, strict=True))
    assert dkd_loss(student, teacher, labels).item() == pytest.approx(16 * total / 4, abs=1e-12)


def test_both_parts_make_up_the_divergence():
    student, teacher, labels = made(1, 6), made(1, 6, seed=1), torch.tensor([2])
    weight = 1 - F.softmax(teacher / 4, dim=1)[0, 2].item()
    both = dkd_loss(student, teacher, labels, beta=weight, squared_temperature=False)
    assert both.item() == pytest.approx(distillation_kl(student, teacher, temperature=4.0).item(), abs=1e-15)


def test_certain_networks_have_finite_gradients():
    student = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)
    dkd_loss(student, torch.tensor([[-300.0, 400.0, 0.0]]), LABELS).backward()
    assert student.grad.isfinite().all()


def test_refused_logits():
    with pytest.raises(
        UsageError, match=r"found student logits \[1, 3\] and teacher logits \[1, 2\]; expected the same"
    ):
        dkd_loss(STUDENT, TEACHER[:, :2], LABELS)
    with pytest.raises(UsageError, match=r"of two classes or more"):
        dkd_loss(STUDENT[:, :1], TEACHER[:, :1], LABELS)
    with pytest.raises(UsageError, match=r"found temperature 0; expected a number above 0"):
        dkd_loss(STUDENT, TEACHER, LABELS, temperature=0)
