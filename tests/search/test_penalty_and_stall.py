import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from studentsearch.errors import UsageError
from studentsearch.search.optimizer import GateOptimizer
from studentsearch.search.pace import Pace
from studentsearch.search.penalty import Forecast, ForecastBias, following_penalty
from studentsearch.search.prox import ProximalRule
from studentsearch.search.stall import SearchPoint, StallPlan, StallWatch, stall_reason

FULL, BUDGET = 288_000_000, 90_000_000
WEIGHTS = torch.logspace(-2, 0, 500).square().clamp_min(0.01)  # mean about 0.11, as in DenseNet-BC-100-12
PRINTED = ProximalRule(rate=0.1, momentum_cap=None, nonnegative=False)
FORECAST = Forecast(horizon=20, rate=0.1, momentum=0.9)
CAPPED = ProximalRule(rate=0.1, momentum_cap=0.9, nonnegative=True)


def plan(steps: int, rule: ProximalRule = CAPPED) -> StallPlan:
    return StallPlan(
        pace=Pace(full_macs=FULL, budget_macs=BUDGET, steps=steps),
        rate=rule.rate,
        mean_weight=WEIGHTS.mean().item(),
        nonnegative=rule.nonnegative,
    )


@dataclass(frozen=True)
class Motion:
    gates: torch.Tensor
    drift: torch.Tensor
    push: torch.Tensor


def count(gates: torch.Tensor) -> torch.Tensor:
    open_share = ((gates > 0) * WEIGHTS).sum(-1) / WEIGHTS.sum()
    return (FULL * open_share).to(torch.int64)


def course(
    rule: ProximalRule,
    steps: int,
    *,
    penalty_after: Callable[[float, Motion, float], float],
    opposition: tuple[float, float] = (1e-3, 1e-1),
) -> list[SearchPoint]:
    """A search without a network: gates held at 1 by springs from the weakest to the strongest, and noise."""
    optimizer, penalty, points = GateOptimizer(torch.ones(500), WEIGHTS, rule), 1e-3, []
    push = torch.zeros(500)
    generator, pace = torch.Generator().manual_seed(0), plan(steps).pace
    springs = torch.linspace(*opposition, 500)[torch.randperm(500, generator=generator)]
    for step in range(1, steps + steps // 2):
        noise = 1e-4 * torch.randn(500, generator=generator)
        before, gradient = optimizer.iterate, springs * (optimizer.look_ahead - 1) + noise
        push = 0.9 * push + 0.1 * gradient
        optimizer.step(gradient, penalty)
        iterate = optimizer.iterate
        macs = int(FULL * WEIGHTS[iterate != 0].sum().item() / WEIGHTS.sum().item())
        points.append(
            SearchPoint(
                step=step,
                macs=macs,
                gate_mean=iterate.mean().item(),
                negative_share=(iterate < 0).float().mean().item(),
                penalty=penalty,
            )
        )
        if macs <= BUDGET:
            break
        motion = Motion(gates=iterate, drift=iterate - before, push=push)
        penalty = penalty_after(penalty, motion, pace.target(step + FORECAST.horizon))
    return points


def lines(points: list[SearchPoint], watched: StallPlan) -> list[tuple[int, str]]:
    watch = StallWatch(watched)
    said = [(point.step, watch.observe(point)) for point in points]
    return [(step, line) for step, line in said if line is not None]


def constant(penalty: float, _motion: Motion, _target: float) -> float:
    return penalty


def following(penalty: float, motion: Motion, target: float) -> float:
    def counts(penalties: torch.Tensor) -> list[int]:
        pull = penalties[:, None] * WEIGHTS
        return count(FORECAST.gates_ahead(motion.gates, motion.drift, motion.push, pull)).tolist()

    return (penalty + following_penalty(counts, target)) / 2


def test_pace_goes_from_full_to_budget_and_on():
    pace = Pace(full_macs=FULL, budget_macs=BUDGET, steps=900)
    assert pace.target(0) == FULL
    assert pace.target(900) == pytest.approx(BUDGET, rel=1e-12)
    assert pace.target(450) == pytest.approx(math.sqrt(FULL * BUDGET), rel=1e-12)
    assert pace.target(1000) < BUDGET
    targets = [pace.target(step) for step in range(1000)]
    assert targets == sorted(targets, reverse=True)


def test_pace_exponent_bends_without_moving_the_ends():
    slow = Pace(full_macs=FULL, budget_macs=BUDGET, steps=100, exponent=2.0)
    assert slow.target(0) == FULL
    assert slow.target(100) == pytest.approx(BUDGET, rel=1e-12)
    assert slow.target(50) == pytest.approx(FULL * (BUDGET / FULL) ** 0.25, rel=1e-12)


def test_pace_refuses_a_course_that_leads_nowhere():
    with pytest.raises(UsageError, match=r"found a budget of 11 multiply-accumulates; expected 1 to the teacher's 10"):
        Pace(full_macs=10, budget_macs=11, steps=5)
    with pytest.raises(UsageError, match=r"found 0 steps and exponent 1.0; expected at least 1 step"):
        Pace(full_macs=10, budget_macs=5, steps=0)


def test_forecast_is_what_the_optimizer_does_under_a_constant_push():
    push, penalty = 1e-3 * torch.linspace(-1, 1, 500), 2e-2
    optimizer = GateOptimizer(torch.ones(500), WEIGHTS, CAPPED)
    for _ in range(60):
        before = optimizer.iterate
        optimizer.step(push, penalty)
    now, drift = optimizer.iterate, optimizer.iterate - before
    for _ in range(FORECAST.horizon):
        optimizer.step(push, penalty)
    (ahead,) = FORECAST.gates_ahead(now, drift, push, penalty * WEIGHTS[None])
    is_free = optimizer.iterate > 0.05
    assert is_free.any()
    assert not is_free.all()
    assert (ahead - optimizer.iterate)[is_free].abs().max() < 0.02  # the forecast's pull is that of plain momentum


def test_forecast_refuses_no_horizon_and_endless_momentum():
    with pytest.raises(UsageError, match="at least 1 step"):
        Forecast(horizon=0, rate=0.1, momentum=0.9)
    with pytest.raises(UsageError, match="below 1"):
        Forecast(horizon=5, rate=0.1, momentum=1.0)


@pytest.fixture
def biased() -> ForecastBias:
    """Counts that have come out a quarter above their forecasts for long."""
    bias = ForecastBias(5)
    for step in range(200):
        bias.observe(macs=1_250_000 - step, promised=1_000_000)
    return bias


def test_forecast_bias_is_asked_for_on_top(biased):
    assert biased.corrected(900.0) == pytest.approx(900 / 1.25, rel=1e-3)


def test_forecast_bias_waits_a_horizon_and_never_asks_for_more_than_the_target():
    bias = ForecastBias(5)
    for _ in range(5):
        bias.observe(macs=1_500_000, promised=1_000_000)
        assert bias.corrected(900.0) == 900.0
    for _ in range(100):
        bias.observe(macs=500_000, promised=1_000_000)
    assert bias.corrected(900.0) == 900.0


def test_forecast_bias_is_bounded_and_goes_on_bit_for_bit(biased):
    other = ForecastBias(5)
    other.load_state_dict(biased.state_dict())
    for bias in (biased, other):
        for _ in range(100):
            bias.observe(macs=9_000_000, promised=1_000_000)
    assert biased.corrected(900.0) == other.corrected(900.0) == pytest.approx(450.0)


@pytest.mark.parametrize("wanted", [3e-4, 0.02, 7.0])
def test_following_penalty_is_the_smallest_that_meets_the_target(wanted):
    found = following_penalty(lambda penalties: [0 if penalty >= wanted else 10 for penalty in penalties], 5.0)
    assert wanted <= found <= wanted * 10 ** (0.5 / 8) * 1.001  # the fine grid has eight steps to half a decade


def test_following_penalty_is_zero_where_coasting_arrives_and_largest_where_nothing_does():
    assert following_penalty(lambda penalties: [4] * len(penalties), 5.0) == 0.0
    assert following_penalty(lambda penalties: [6] * len(penalties), 5.0) == pytest.approx(10.0)


@pytest.mark.parametrize("steps", [350, 900])
def test_capped_recipe_with_following_penalty_arrives_and_watch_is_silent(steps):
    points = course(CAPPED, steps, penalty_after=following)
    assert points[-1].macs <= BUDGET
    assert points[-1].step == pytest.approx(steps, rel=0.15)
    assert lines(points, plan(steps)) == []


@pytest.mark.parametrize("steps", [300, 640, 900, 2500])
@pytest.mark.parametrize("opposition", [(0.0, 0.0), (1e-4, 1e-2)])
def test_printed_recipe_is_called_well_before_step_300(steps, opposition):
    points = course(PRINTED, steps, penalty_after=constant, opposition=opposition)
    said = lines(points, plan(steps, PRINTED))
    assert said[0][0] <= 200
    assert "swing through zero" in said[0][1] or "too small" in said[0][1]


def test_swinging_names_share_and_width():
    points = [
        SearchPoint(step=k, macs=FULL, gate_mean=0.9 - 0.005 * k, negative_share=0.12, penalty=1e-3)
        for k in (100, 150, 200)
    ]
    line = stall_reason(points, plan(640, PRINTED))
    assert line == (
        "step 200: gates swing through zero instead of closing: 12.0% are below zero, and they move 0.005 a step where "
        "the zone that holds them is 0.0002 wide; hold gates at or above zero and cap their momentum at 0.9"
    )


def test_constant_small_penalty_is_called_too_small():
    said = lines(course(CAPPED, 900, penalty_after=constant), plan(900))
    assert said[0][0] <= 200
    assert "the penalty 0.001 is too small: the gates' mean falls" in said[0][1]
    assert "more steps where" in said[0][1]
    assert said[0][1].endswith("raise --penalty, or give --steps without --penalty so that it follows the count")
    assert said[1][0] - said[0][0] >= plan(900).window


def test_gates_that_do_not_answer_the_penalty_are_called_held():
    points = [
        SearchPoint(step=k, macs=275_000_000, gate_mean=0.4, negative_share=0.0, penalty=1e-2)
        for k in range(400, 501, 10)
    ]
    line = stall_reason(points, plan(640))
    assert line is not None
    assert "the penalty 0.01 pulls, yet the gates' mean went from 0.400 to 0.400 in 100 steps" in line
    assert "\n" not in line


def test_growing_penalty_is_given_time_until_its_largest_value():
    points = [
        SearchPoint(step=k, macs=FULL, gate_mean=0.9, negative_share=0.0, penalty=1e-3 * 1.02**k) for k in range(300)
    ]
    assert lines(points, plan(900)) == []
    held = [SearchPoint(step=k, macs=FULL, gate_mean=0.9, negative_share=0.0, penalty=0.4) for k in range(300, 420)]
    assert "the penalty 0.4 pulls" in lines(points + held, plan(900))[0][1]


def test_watch_is_silent_ahead_of_pace_and_before_a_window():
    ahead = [
        SearchPoint(step=k, macs=200_000_000, gate_mean=0.5, negative_share=0.0, penalty=1e-3) for k in range(1, 200)
    ]
    assert lines(ahead, plan(900)) == []
    early = [SearchPoint(step=k, macs=FULL, gate_mean=1.0, negative_share=0.0, penalty=1e-3) for k in range(1, 90)]
    assert lines(early, plan(900)) == []


def test_window_is_a_tenth_of_the_plan_within_bounds():
    assert [plan(steps).window for steps in (50, 350, 900, 5000)] == [20, 35, 90, 100]
