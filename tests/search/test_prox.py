import math

import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor

from studentsearch.errors import UsageError
from studentsearch.search.prox import (
    ProximalRule,
    ProximalState,
    initial_state,
    proximal_step,
    soft_threshold,
    soft_threshold_nonnegative,
)

PRINTED = ProximalRule(rate=0.1, momentum_cap=None, nonnegative=False)


def test_soft_threshold_golden_and_exact_zero():
    values = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
    threshold = torch.tensor(1.0)
    assert soft_threshold(values, threshold).tolist() == [-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]
    assert soft_threshold_nonnegative(values, threshold).tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]
    assert not torch.signbit(soft_threshold(values, threshold)[1:6]).any()


def test_soft_threshold_zero_is_identity():
    values = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(soft_threshold(values, torch.zeros(100)), values)


@pytest.mark.parametrize("shrink", [soft_threshold, soft_threshold_nonnegative])
def test_soft_threshold_minimizes_its_problem(shrink):
    # The proximal step is argmin_x (x - z)^2 / 2 + t |x|; no point of a fine grid may do better.
    z, t = torch.linspace(-2, 2, 41, dtype=torch.float64), torch.tensor(0.37, dtype=torch.float64)
    low = 0.0 if shrink is soft_threshold_nonnegative else -3.0
    grid = torch.linspace(low, 3.0, 2001, dtype=torch.float64)
    best = ((grid[:, None] - z) ** 2 / 2 + t * grid[:, None].abs()).min(dim=0).values
    found = shrink(z, t)
    assert ((found - z) ** 2 / 2 + t * found.abs() <= best + 1e-15).all()


def test_first_three_steps_by_hand():
    rule = ProximalRule(rate=0.5, momentum_cap=None, nonnegative=False)
    state = initial_state(torch.ones(1, dtype=torch.float64))
    gradient, penalty = torch.tensor([0.2], dtype=torch.float64), torch.tensor([0.2], dtype=torch.float64)
    found = []
    for _ in range(3):
        state = proximal_step(state, gradient, penalty, rule)
        found += [state.iterate.item(), state.velocity.item(), state.look_ahead.item()]
    expected = [0.8, -0.2, 0.8, 0.6, -0.2, 0.55, 0.35, -0.25, 0.25]
    assert found == pytest.approx(expected, abs=1e-15)  # float64; decimal fractions are not exact
    assert state.step == 3


def test_no_penalty_no_momentum_is_gradient_descent_bit_for_bit():
    generator = torch.Generator().manual_seed(1)
    start = torch.rand(257, generator=generator)
    reference = start.clone().requires_grad_()
    descent = torch.optim.SGD([reference], lr=0.1, foreach=False)
    state = initial_state(start)
    rule = ProximalRule(rate=0.1, momentum_cap=0.0, nonnegative=False)
    for _ in range(20):
        gradient = torch.randn(257, generator=generator)
        reference.grad = gradient
        descent.step()
        state = proximal_step(state, gradient, torch.zeros(257), rule)
        assert torch.equal(state.iterate, reference)
        assert torch.equal(state.look_ahead, reference)


def lasso_problem() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    design = torch.randn(60, 20, generator=generator, dtype=torch.float64)
    design *= torch.logspace(0, -1, 20, dtype=torch.float64)  # uneven columns: where momentum pays
    truth = torch.where(torch.arange(20) % 3 == 0, 2.0, 0.0).double()
    return design, design @ truth + 0.1 * torch.randn(60, generator=generator, dtype=torch.float64)


def steps_to_lasso(cap: float | None, alpha: float = 0.02, limit: int = 20_000) -> int:
    design, response = lasso_problem()
    # scikit-learn minimizes ||y - X w||^2 / (2 n) + alpha |w|.
    exact = Lasso(alpha=alpha, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(design.numpy(), response.numpy())
    solution = torch.from_numpy(exact.coef_)
    hessian = design.T @ design / len(design)
    rule = ProximalRule(rate=1 / torch.linalg.eigvalsh(hessian)[-1].item(), momentum_cap=cap, nonnegative=False)
    state = initial_state(torch.zeros(20, dtype=torch.float64))
    for step in range(1, limit):
        gradient = design.T @ (design @ state.look_ahead - response) / len(design)
        state = proximal_step(state, gradient, torch.full((20,), alpha, dtype=torch.float64), rule)
        if (state.iterate - solution).abs().max() < 1e-6:
            assert torch.equal(state.iterate == 0, solution == 0)
            return step
    pytest.fail(f"not at the solution after {limit} steps with cap {cap}")


def test_lasso_solution_sooner_with_momentum():
    plain = steps_to_lasso(0.0)
    assert steps_to_lasso(0.9) < plain / 4  # the search's own cap
    assert steps_to_lasso(None) < plain  # as published


def fall_alone(weight: float, num_steps: int) -> list[float]:
    state, course = initial_state(torch.ones(1, dtype=torch.float64)), []
    for _ in range(num_steps):
        state = proximal_step(state, torch.zeros(1, dtype=torch.float64), torch.full((1,), 1e-3 * weight), PRINTED)
        course.append(state.iterate.item())
    return course


@pytest.mark.parametrize("weight", [1.0, 0.15])
def test_unopposed_gate_falls_with_the_square_of_the_step(weight):
    course = fall_alone(weight, 900)
    for step in (50, 100, 200):
        # rtol: the sum over steps exceeds its leading term k^2 / 8 by terms of order k.
        assert 1 - course[step - 1] == pytest.approx(0.1 * 1e-3 * weight * step**2 / 8, rel=6 / step)
    reached = next(step for step, gate in enumerate(course, start=1) if gate <= 0)
    assert reached == pytest.approx(math.sqrt(8 / (0.1 * 1e-3 * weight)), rel=0.01)


def test_signed_gate_swings_through_zero_and_nonnegative_rests():
    assert min(fall_alone(1.0, 400)) < -0.1
    rule = ProximalRule(rate=0.1, momentum_cap=None, nonnegative=True)
    state = initial_state(torch.ones(1))
    for _ in range(400):
        state = proximal_step(state, torch.zeros(1), torch.full((1,), 1e-3), rule)
    assert state.iterate.item() == 0.0
    assert state.look_ahead.item() == 0.0


def test_nonnegative_is_never_negative_under_noise():
    generator = torch.Generator().manual_seed(3)
    rule = ProximalRule(rate=0.1, momentum_cap=0.9, nonnegative=True)
    state = initial_state(torch.ones(50))
    for _ in range(200):
        state = proximal_step(state, torch.randn(50, generator=generator), torch.full((50,), 0.5), rule)
        assert state.iterate.min() >= 0
        assert state.look_ahead.min() >= 0
    assert (state.iterate == 0).any()


def test_step_leaves_its_input_alone():
    state = initial_state(torch.ones(4))
    before = ProximalState(
        look_ahead=state.look_ahead.clone(), iterate=state.iterate.clone(), velocity=state.velocity.clone(), step=0
    )
    proximal_step(state, torch.ones(4), torch.ones(4), PRINTED)
    assert state.step == before.step
    assert torch.equal(state.look_ahead, before.look_ahead)
    assert torch.equal(state.iterate, before.iterate)
    assert torch.equal(state.velocity, before.velocity)


def test_rule_refuses_values_outside_ranges():
    with pytest.raises(UsageError, match=r"found gate rate 0.0; expected a number above 0"):
        ProximalRule(rate=0.0, momentum_cap=None, nonnegative=True)
    with pytest.raises(UsageError, match=r"found momentum cap 1.5; expected a number from 0 to 1"):
        ProximalRule(rate=0.1, momentum_cap=1.5, nonnegative=True)


def test_the_largest_gate_holds_iterate_and_look_ahead():
    rule = ProximalRule(rate=0.1, momentum_cap=0.9, nonnegative=True, largest=2.0)
    state = initial_state(torch.ones(3))
    for _ in range(50):
        state = proximal_step(state, torch.tensor([-5.0, 0.0, 5.0]), torch.zeros(3), rule)
    assert state.iterate.tolist() == state.look_ahead.tolist() == [2.0, 1.0, 0.0]
    with pytest.raises(UsageError, match="found largest gate 0; expected a number above 0"):
        ProximalRule(rate=0.1, momentum_cap=0.9, nonnegative=True, largest=0)
