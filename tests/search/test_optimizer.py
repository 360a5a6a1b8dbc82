import pytest
import torch
from safetensors.torch import load, save

from studentsearch.errors import RunFolderError, UsageError
from studentsearch.search.optimizer import GateOptimizer
from studentsearch.search.prox import ProximalRule, initial_state, proximal_step

RULE = ProximalRule(rate=0.1, momentum_cap=0.9, nonnegative=True)
WEIGHTS = torch.linspace(0.1, 1.0, 6)


def run(optimizer: GateOptimizer, num_steps: int, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        optimizer.step(0.1 * torch.randn(6, generator=generator), 0.05)


def test_step_is_the_proximal_step_on_weighted_penalty():
    optimizer = GateOptimizer(torch.ones(6), WEIGHTS, RULE)
    state = initial_state(torch.ones(6))
    for penalty in (0.1, 0.2, 0.0):
        gradient = torch.full((6,), 0.3)
        optimizer.step(gradient, penalty)
        state = proximal_step(state, gradient, WEIGHTS * penalty, RULE)
    assert torch.equal(optimizer.look_ahead, state.look_ahead)
    assert torch.equal(optimizer.iterate, state.iterate)
    assert not torch.equal(optimizer.look_ahead, optimizer.iterate)
    assert optimizer.num_steps == 3


def test_state_goes_through_safetensors_and_continues_bit_for_bit():
    whole, half = GateOptimizer(torch.ones(6), WEIGHTS, RULE), GateOptimizer(torch.ones(6), WEIGHTS, RULE)
    run(whole, 5)
    run(half, 5)
    resumed = GateOptimizer(torch.zeros(6), WEIGHTS, RULE)
    resumed.load_state_dict(load(save(half.state_dict())))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    run(whole, 5, seed=1)
    run(resumed, 5, seed=1)
    assert torch.equal(whole.iterate, resumed.iterate)
    assert torch.equal(whole.look_ahead, resumed.look_ahead)


def test_fresh_state_can_be_saved():
    # safetensors refuses tensors that share memory
    assert len(load(save(GateOptimizer(torch.ones(6), WEIGHTS, RULE).state_dict()))) == 4


def test_saved_state_does_not_move_with_the_optimizer():
    optimizer = GateOptimizer(torch.ones(6), WEIGHTS, RULE)
    saved = optimizer.state_dict()
    run(optimizer, 3)
    assert torch.equal(saved["iterate"], torch.ones(6))
    assert saved["step"].item() == 0


def test_foreign_state_is_refused():
    optimizer = GateOptimizer(torch.ones(6), WEIGHTS, RULE)
    other = GateOptimizer(torch.ones(7), torch.ones(7), RULE)
    with pytest.raises(RunFolderError, match=r"found gate state .*\[7\].*; expected .*\[6\].*; continue with"):
        optimizer.load_state_dict(other.state_dict())
    with pytest.raises(RunFolderError, match=r"found gate state \{\}; expected"):
        optimizer.load_state_dict({})


def test_gradients_of_lower_precision_keep_gates_in_float32():
    optimizer = GateOptimizer(torch.ones(6), WEIGHTS, RULE)
    optimizer.step(torch.ones(6, dtype=torch.bfloat16), 0.1)
    assert optimizer.look_ahead.dtype == torch.float32
    assert not optimizer.look_ahead.requires_grad


@pytest.mark.parametrize("penalty", [-1e-3, float("nan"), float("inf")])
def test_penalty_must_be_a_number(penalty):
    with pytest.raises(UsageError, match=r"found penalty .*; expected a finite number of 0 or more"):
        GateOptimizer(torch.ones(6), WEIGHTS, RULE).step(torch.zeros(6), penalty)
