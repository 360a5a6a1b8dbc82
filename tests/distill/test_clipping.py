import math

import pytest
import torch

from studentsearch.distill.clipping import CLIPPING_MODES, clipping, combined_gradients, gradient_norm
from studentsearch.errors import UsageError


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def gradients(main_scale: float, knowledge_scale: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Of main = scale * (3 a + 4 b) and knowledge = scale * (4 a - 3 b): norms of 5 times the scales."""
    a, b = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    main = torch.autograd.grad(main_scale * (3 * a + 4 * b), (a, b))
    knowledge = torch.autograd.grad(knowledge_scale * (4 * a - 3 * b), (a, b))
    return list(main), list(knowledge)


@pytest.mark.parametrize(
    ("mode", "knowledge_scale", "is_scaled"),
    [
        ("printed", 0.5, True),
        ("printed", 2.0, False),
        ("printed", 1.0, False),
        ("reversed", 0.5, False),
        ("reversed", 2.0, True),
        ("reversed", 1.0, False),
        ("off", 0.5, False),
        ("off", 2.0, False),
    ],
)
@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_two_parameters_by_hand(mode, knowledge_scale, is_scaled, epoch):
    main, knowledge = gradients(1.0, knowledge_scale)
    ratio = clipping(gradient_norm(main), gradient_norm(knowledge), epoch=epoch, mode=mode)
    tau = 1 / knowledge_scale
    beta = 1 / (1 + math.exp(-tau + epoch))
    factor = beta if is_scaled else 1.0
    assert ratio.tau.item() == pytest.approx(tau, abs=1e-15)
    assert ratio.beta.item() == pytest.approx(beta, abs=1e-15)
    assert ratio.factor.item() == pytest.approx(factor, abs=1e-15)
    combined = combined_gradients(main, knowledge, ratio.factor)
    expected = (3 + 4 * knowledge_scale * factor, 4 - 3 * knowledge_scale * factor)
    assert [gradient.item() for gradient in combined] == pytest.approx(expected, abs=1e-14)


def test_norm_of_all_gradients():
    assert gradient_norm([torch.tensor([[1.0, 2.0]]), None, torch.tensor(2.0)]).item() == 3.0


def test_off_is_the_plain_sum_bit_for_bit():
    generator = torch.Generator().manual_seed(0)
    main, knowledge = ([torch.randn(7, 3, generator=generator) for _ in range(4)] for _ in range(2))
    ratio = clipping(gradient_norm(main), gradient_norm(knowledge), epoch=5, mode="off")
    combined = combined_gradients(main, knowledge, ratio.factor)
    assert all(torch.equal(one, a + b) for one, a, b in zip(combined, main, knowledge, strict=True))


def test_parameters_that_one_of_both_does_not_reach():
    one, two = torch.tensor([1.0]), torch.tensor([2.0])
    combined = combined_gradients([one, None, None, one], [None, two, None, two], torch.tensor(0.5))
    assert [None if gradient is None else gradient.item() for gradient in combined] == [1.0, 1.0, None, 2.0]


@pytest.mark.parametrize("mode", CLIPPING_MODES)
@pytest.mark.parametrize("main", [0.0, 1.0])
def test_no_gradient_of_the_knowledge_term(mode, main):
    ratio = clipping(scalar(main), scalar(0.0), epoch=2, mode=mode)
    assert ratio.tau.item() == 0
    assert ratio.beta.item() == pytest.approx(1 / (1 + math.exp(2)), abs=1e-15)
    assert math.isfinite(ratio.factor.item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norms", [(1.0, 2.0), (1e-30, 1e30), (1e4, 1e-4), (0.0, 1.0)])
def test_late_epochs_do_not_overflow(dtype, norms):
    main, knowledge = (torch.tensor(norm, dtype=dtype) for norm in norms)
    for epoch in (0, 1, 200, 10_000):
        ratio = clipping(main, knowledge, epoch=epoch)
        assert all(torch.isfinite(value) for value in (ratio.tau, ratio.beta, ratio.factor))
        assert 0 <= ratio.beta <= 1
    assert clipping(scalar(1.0), scalar(2.0), epoch=200).beta.item() == pytest.approx(math.exp(-199.5), rel=1e-12)


def test_facts_are_scalars_of_full_precision():
    ratio = clipping(torch.tensor(1.0).bfloat16(), torch.tensor(2.0).bfloat16(), epoch=1)
    assert all(value.shape == () and value.dtype == torch.float32 for value in (ratio.tau, ratio.beta, ratio.factor))


def test_what_is_not_finite_stays_visible():
    assert clipping(scalar(1.0), scalar(math.nan), epoch=1).tau.isnan()


def test_unknown_mode():
    with pytest.raises(UsageError, match=r'found clipping "on"; expected one of printed, reversed, off'):
        clipping(scalar(1.0), scalar(1.0), epoch=0, mode="on")
