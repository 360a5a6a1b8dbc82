"""The table of methods, and named properties that hold for the term of each."""

from dataclasses import FrozenInstanceError

import pytest
import torch
from test_adapters import passing_first

from studentsearch.distill.ensemble import ensemble_term
from studentsearch.distill.loss import AnyTerm, Knowledge, LossWeights, Method, Term
from studentsearch.distill.losses.rkd import Rkd
from studentsearch.distill.methods import method, method_names, methods
from studentsearch.errors import UsageError

NAMES = ("at", "cross_layer", "dkd", "fsp", "fsp_kd", "hinton", "kl", "none", "rkd", "sskd")
SHAPES = ((4, 3, 8, 8), (4, 3, 8, 8), (4, 5, 4, 4), (4, 6, 2, 2))
LABELS = torch.tensor([1, 0, 2, 2])
WITH_TERM = [name for name in NAMES if method(name).term is not None]
WITH_POINTS = [name for name in NAMES if method(name).has_points]


def knowledge(seed: int, dtype: torch.dtype = torch.float64) -> Knowledge:
    generator = torch.Generator().manual_seed(seed)
    points = tuple(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in SHAPES)
    return Knowledge(logits=torch.randn(4, 3, generator=generator, dtype=torch.float64).to(dtype), points=points)


def term_of(name: str, **settings: object) -> AnyTerm:
    term = method(name).term
    assert term is not None
    return term(**settings)


def in_order(known: Knowledge, order: torch.Tensor) -> Knowledge:
    return Knowledge(logits=known.logits[order], points=tuple(point[order] for point in known.points))


@pytest.mark.parametrize("name", WITH_TERM)
def test_term_is_a_positive_scalar(name):
    loss = term_of(name)(knowledge(0), knowledge(1), LABELS)
    assert loss.shape == ()
    assert loss.dtype == torch.float64
    assert loss.item() > 0


@pytest.mark.parametrize("name", WITH_TERM)
def test_teacher_as_student_gives_nothing(name):
    assert term_of(name)(knowledge(0), knowledge(0), LABELS).item() == 0


@pytest.mark.parametrize("name", WITH_TERM)
def test_order_of_the_batch_does_not_matter(name):
    order = torch.tensor([2, 0, 3, 1])
    term, student, teacher = term_of(name), knowledge(0), knowledge(1)
    expected = term(student, teacher, LABELS)
    found = term(in_order(student, order), in_order(teacher, order), LABELS[order])
    torch.testing.assert_close(found, expected, atol=0, rtol=1e-13)  # float64; only the order of summation differs


@pytest.mark.parametrize("name", WITH_TERM)
def test_gradients_are_those_of_finite_differences(name):
    student, teacher, term = knowledge(0), knowledge(1), term_of(name)
    inputs = tuple(tensor.requires_grad_() for tensor in (student.logits, *student.points))

    def loss(logits: torch.Tensor, *points: torch.Tensor) -> torch.Tensor:
        return term(Knowledge(logits=logits, points=points), teacher, LABELS)

    assert torch.autograd.gradcheck(loss, inputs, fast_mode=True)


@pytest.mark.parametrize("name", WITH_TERM)
def test_low_precision_is_raised(name):
    student, teacher = knowledge(0, torch.bfloat16), knowledge(1, torch.bfloat16)
    widened = [
        Knowledge(logits=known.logits.float(), points=tuple(point.float() for point in known.points))
        for known in (student, teacher)
    ]
    expected = term_of(name)(*widened, LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = term_of(name)(student, teacher, LABELS)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)


@pytest.mark.parametrize("name", WITH_TERM)
def test_equal_teachers_are_one_teacher(name):
    student, teacher, term = knowledge(0), knowledge(1), term_of(name)
    one = ensemble_term(student, (teacher,), LABELS, term)
    assert torch.equal(one, term(student, teacher, LABELS))
    three = ensemble_term(student, (teacher, teacher, teacher), LABELS, term)
    torch.testing.assert_close(three, one, atol=0, rtol=1e-15)  # float64; a sum of three rounds once or twice


@pytest.mark.parametrize("name", WITH_TERM)
def test_ensemble_is_the_mean(name):
    student, term = knowledge(0), term_of(name)
    teachers = [knowledge(seed) for seed in (1, 2, 3)]
    expected = sum(term(student, teacher, LABELS) for teacher in teachers) / 3
    torch.testing.assert_close(ensemble_term(student, teachers, LABELS, term), expected, atol=0, rtol=1e-14)


@pytest.mark.parametrize("name", WITH_TERM)
def test_each_network_of_an_ensemble_is_read_once(name):
    student, teachers, term = knowledge(0), [knowledge(seed) for seed in (1, 2, 3)], term_of(name)
    asked = []

    class Watched(Term[object]):
        def read(self, network: Knowledge) -> object:
            asked.append(network)
            return term.read(network)

        def compare(self, student: object, teacher: object, labels: torch.Tensor) -> torch.Tensor:
            return term.compare(student, teacher, labels)

    ensemble_term(student, teachers, LABELS, Watched())
    assert [id(network) for network in asked] == [id(network) for network in (student, *teachers)]


@pytest.mark.parametrize("name", WITH_POINTS)
def test_adapters_that_pass_the_first_channels_change_nothing(name):
    widths = [shape[1] for shape in SHAPES]
    adapters = passing_first([2 * width for width in widths], widths).double()
    student, teacher = knowledge(0), knowledge(1)
    adapted = Knowledge(
        logits=teacher.logits, points=adapters(tuple(torch.cat((point, point), 1) for point in teacher.points))
    )
    assert torch.equal(term_of(name)(student, adapted, LABELS), term_of(name)(student, teacher, LABELS))


@pytest.mark.parametrize("name", [name for name in WITH_POINTS if not method(name).equal_widths])
def test_widths_may_differ_where_the_table_says_so(name):
    student = knowledge(0)
    wider = Knowledge(logits=student.logits, points=tuple(torch.cat((point, point), 1) for point in student.points))
    assert term_of(name)(student, wider, LABELS).isfinite()


@pytest.mark.parametrize("name", [name for name in WITH_POINTS if method(name).equal_widths])
def test_widths_are_checked_where_the_table_says_so(name):
    student = knowledge(0)
    wider = Knowledge(logits=student.logits, points=tuple(torch.cat((point, point), 1) for point in student.points))
    with pytest.raises(UsageError, match=r"channels in the student and 6 in|3x3, .* in the student and 6x6, .* in the"):
        term_of(name)(student, wider, LABELS)


@pytest.mark.parametrize("name", WITH_POINTS)
def test_points_are_needed_where_the_table_says_so(name):
    with pytest.raises(UsageError, match=r"(0|no) feature points( in the student and 0 in the teacher)?; expected"):
        term_of(name)(Knowledge(logits=knowledge(0).logits), Knowledge(logits=knowledge(1).logits), LABELS)


@pytest.mark.parametrize("name", [name for name in WITH_TERM if not method(name).has_points])
def test_points_are_not_needed_elsewhere(name):
    bare = [Knowledge(logits=knowledge(seed).logits) for seed in (0, 1)]
    assert torch.equal(term_of(name)(*bare, LABELS), term_of(name)(knowledge(0), knowledge(1), LABELS))


def test_the_table():
    assert tuple(known.name for known in methods()) == method_names() == NAMES
    for known in methods():
        assert all((known.summary, known.source, known.cost, known.needs))
        assert known.code_sha256 == ""
        assert known.first_stage == (0.25 if known.name == "fsp" else 0)
    with pytest.raises(FrozenInstanceError):
        methods()[0].name = "other"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r'found weight 1 for no knowledge term in method "x"; expected a term and a weight, or neither'),
        ({"weights": LossWeights(), "term": Rkd}, r"found weight 0 for its knowledge term"),
        ({"term": Term}, r'found a term without compare and read in method "x"'),
        ({"term": Rkd, "equal_widths": True}, r'found equal widths of no points in method "x"; set has_points'),
    ],
)
def test_a_row_that_contradicts_itself(changes: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        Method(summary="x", source="y", **changes)


def test_weights_of_the_table():
    assert method("none").weights == LossWeights(cross_entropy=1.0, kl=0.0, knowledge=0.0)
    assert method("hinton").weights == LossWeights(cross_entropy=0.1, kl=0.9, knowledge=0.0)
    assert method("kl").weights == LossWeights(cross_entropy=1.0, kl=1.0, knowledge=0.0)
    assert method("cross_layer").weights == LossWeights(cross_entropy=1.0, kl=1.0, knowledge=1.0)
    assert method("at").weights == LossWeights(cross_entropy=1.0, kl=0.0, knowledge=1000.0)


def test_settings_reach_the_terms():
    student, teacher = knowledge(0), knowledge(1)
    at_distance = [term_of("cross_layer", max_distance=distance) for distance in (1, 2, 3)]
    values = [term(student, teacher, LABELS).item() for term in at_distance]
    assert values == sorted(values)
    assert values[0] == term_of("fsp")(student, teacher, LABELS).item()
    plain = term_of("dkd", temperature=2.0, squared_temperature=False)
    squared = term_of("dkd", temperature=2.0)
    assert squared(student, teacher, LABELS).item() == 4 * plain(student, teacher, LABELS).item()
    with pytest.raises(UsageError, match=r"found --cross 4 and 4 feature points"):
        term_of("cross_layer", max_distance=4)(student, teacher, LABELS)
    with pytest.raises(UsageError, match=r"found --cross 4 and 4 feature points"):
        term_of("cross_layer", max_distance=4).require_points(4)
    with pytest.raises(UsageError, match=r"found --cross 0; expected 1 \(neighbouring feature points only\) or more"):
        term_of("cross_layer", max_distance=0)


def test_unknown_names():
    with pytest.raises(UsageError, match=r'unknown method "cross-layer"; nearest: cross_layer; .*--method list'):
        method("cross-layer")
    with pytest.raises(UsageError, match=r'unknown method "zzz"; nearest: at, cross_layer, .*--method list'):
        method("zzz")


@pytest.mark.parametrize(
    ("loss", "found"), [(torch.zeros(4), r"a tensor of shape \[4\]"), (0.5, "a float"), (None, "a NoneType")]
)
def test_a_loss_that_is_no_scalar(loss: object, found: str):
    class Own(Term[torch.Tensor]):
        def read(self, network: Knowledge) -> torch.Tensor:
            return network.logits

        def compare(self, student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor) -> object:  # noqa: ARG002
            return loss

    with pytest.raises(UsageError, match=rf"Own\.compare gave {found}; expected a scalar, the mean over the batch"):
        ensemble_term(knowledge(0), (knowledge(1),), LABELS, Own())


def test_no_teacher_at_all():
    with pytest.raises(UsageError, match=r"found 0 teachers; expected one or more"):
        ensemble_term(knowledge(0), (), LABELS, term_of("cross_layer"))
