"""A step of the gates that takes the count to its budget at once is none of a search."""

import pytest
import torch
from nets import Residual, small_case

from studentsearch.engine.runtime import open_runtime
from studentsearch.search.recipe import SearchRecipe
from studentsearch.search.rush import RushError
from studentsearch.search.stepper import SearchStepper


def one_step(*, penalty: float, steps: int, kept_share: float) -> tuple[SearchStepper, int]:
    """A search after its first step, and its budget."""
    case = small_case(Residual)
    budget = round(kept_share * int(case.macs(torch.ones(case.num_gates).bool().numpy())))
    stepper = SearchStepper(
        case.module.float(),
        case.gated,
        SearchRecipe(steps=steps, penalty=penalty),
        budget_macs=budget,
        runtime=open_runtime("cpu", "float32", 1),
    )
    stepper.step(1, case.images.float(), torch.zeros(len(case.images), dtype=torch.int64))
    return stepper, budget


@pytest.mark.parametrize("kept_share", [0.99, 0.8, 0.5])
def test_a_first_step_that_goes_the_whole_way_is_a_rush(kept_share: float) -> None:
    stepper, budget = one_step(penalty=16.0, steps=40, kept_share=kept_share)
    assert stepper.macs <= budget
    with pytest.raises(
        RushError, match=r"step 1 of 40 planned: .* by the factor planned for all steps, from the teacher's"
    ):
        stepper.rush_words(budget)


def test_a_step_that_was_planned_to_go_the_whole_way_is_none() -> None:
    stepper, budget = one_step(penalty=16.0, steps=2, kept_share=0.5)
    assert stepper.macs <= budget
    assert stepper.rush_words(stepper.macs) is None


def test_a_small_step_is_none_though_the_budget_is_near() -> None:
    stepper, budget = one_step(penalty=5.0, steps=40, kept_share=0.99)
    assert 0.75 * budget < stepper.macs <= budget
    assert stepper.rush_words(budget) is None
