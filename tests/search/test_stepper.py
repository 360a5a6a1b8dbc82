"""A search as it moves: where it starts, what a step does, and that it goes on from its state bit for bit."""

import math

import pytest
import torch
from nets import Case, Residual, small_case

from studentsearch.engine.runtime import open_runtime
from studentsearch.errors import DivergedError
from studentsearch.search.recipe import Objective, SearchRecipe
from studentsearch.search.stepper import SearchStepper, StepFacts

LABELS = torch.tensor([0, 1, 2, 0])


def stepper_of(case: Case, recipe: SearchRecipe, kept_share: float = 0.5) -> SearchStepper:
    budget = round(kept_share * case.macs(case.all_open))
    runtime = open_runtime("cpu", "float32", 1)
    return SearchStepper(case.module.float(), case.gated, recipe, budget_macs=budget, runtime=runtime)


def moved(stepper: SearchStepper, case: Case, first: int, last: int) -> list[StepFacts]:
    images = case.images.float()
    labels = LABELS[: len(images)] if len(images) <= len(LABELS) else torch.zeros(len(images), dtype=torch.int64)
    return [stepper.step(number, images, labels) for number in range(first, last + 1)]


def test_a_search_starts_at_its_teacher() -> None:
    case = small_case(Residual)
    stepper = stepper_of(case, SearchRecipe(steps=20))
    assert torch.equal(stepper.iterate, torch.ones(case.num_gates))
    assert stepper.macs == case.macs(case.all_open)
    assert (stepper.num_steps, stepper.standing) == (0, 0.0)
    # In evaluation mode both compute the same; in training mode the copy normalises by the batch's statistics.
    stepper.module.eval()
    (facts,) = moved(stepper, case, 1, 1)
    assert facts.loss == pytest.approx(0.0, abs=1e-6)  # float32


def test_a_step_moves_the_copy_and_leaves_the_teacher() -> None:
    case = small_case(Residual)
    before = {name: tensor.clone() for name, tensor in case.module.float().state_dict().items()}
    stepper = stepper_of(case, SearchRecipe(steps=20))
    (facts,) = moved(stepper, case, 1, 1)
    assert math.isfinite(facts.loss)
    assert stepper.num_steps == 1
    assert any(not torch.equal(tensor, before[name]) for name, tensor in stepper.module.state_dict().items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in case.module.state_dict().items())


def test_the_facts_of_a_step_are_those_of_its_gates() -> None:
    case = small_case(Residual)
    stepper = stepper_of(case, SearchRecipe(steps=20, penalty=3.0, gate_rate=0.1))
    facts = moved(stepper, case, 1, 8)[-1]
    is_open = (stepper.iterate != 0).numpy()
    assert 0 < is_open.sum() < case.num_gates
    assert facts.macs == stepper.macs == case.macs(is_open)
    assert facts.open_share == pytest.approx(is_open.mean())
    assert facts.gate_mean == pytest.approx(stepper.iterate[stepper.iterate != 0].mean().item())
    assert facts.penalty == 3.0
    assert facts.negative_share == 0


def test_the_weights_rate_falls_along_a_cosine() -> None:
    case = small_case(Residual)
    recipe = SearchRecipe(steps=4, weight_rate=0.1, final_weight_rate=0.02)
    rates = [facts.rate for facts in moved(stepper_of(case, recipe), case, 1, 4)]
    assert rates[0] == 0.1
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0.02


def test_a_following_penalty_grows_until_the_count_falls() -> None:
    case = small_case(Residual)
    stepper = stepper_of(case, SearchRecipe(steps=30))
    facts = moved(stepper, case, 1, 45)
    assert facts[0].penalty > 0
    assert facts[-1].macs < facts[0].macs


@pytest.mark.parametrize(
    "recipe", [SearchRecipe(steps=12), SearchRecipe(steps=12, penalty=1.0, objective=Objective(kind="np"))]
)
def test_a_search_goes_on_from_its_state_bit_for_bit(recipe: SearchRecipe) -> None:
    case = small_case(Residual)
    whole = stepper_of(case, recipe)
    moved(whole, case, 1, 5)
    state = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    resumed = stepper_of(case, recipe)
    expected = resumed.expected(state)
    assert {name: tensor.shape for name, tensor in expected.items()} == {
        name: tensor.shape for name, tensor in state.items()
    }
    resumed.load_state_dict(state)
    assert moved(whole, case, 6, 10) == moved(resumed, case, 6, 10)
    found = resumed.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in whole.state_dict().items())


def test_a_loss_that_is_not_finite_ends_the_step_with_a_cure() -> None:
    case = small_case(Residual)
    stepper = stepper_of(case, SearchRecipe(steps=20))
    images = torch.full_like(case.images.float(), torch.nan)
    with pytest.raises(DivergedError, match=r"step 1: the loss is nan; lower --weight-rate or --gate-rate"):
        stepper.step(1, images, torch.zeros(len(images), dtype=torch.int64))


def test_a_reader_that_every_path_needs_keeps_one_gate() -> None:
    case = small_case(Residual)
    stepper = stepper_of(case, SearchRecipe(steps=5, penalty=100.0, gate_rate=1.0))
    assert stepper.image_reaches_output()
    moved(stepper, case, 1, 3)
    (still_open,) = stepper.iterate.nonzero()
    assert int(still_open) in range(*case.site("head").span.indices(case.num_gates))
    assert not stepper.image_reaches_output()  # neither branch before it is needed by every path
