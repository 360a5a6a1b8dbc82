import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from studentsearch.engine.batchnorm import recompute_batchnorm
from studentsearch.engine.evaluate import evaluate
from studentsearch.engine.runtime import Runtime
from studentsearch.errors import UsageError

RUNTIME = Runtime(device=torch.device("cpu"), precision="float32")


@dataclass(frozen=True)
class Labelled:
    inputs: Tensor
    labels: Tensor


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, momentum=0.3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(3 * 4, 2)
    )


def test_accuracy_and_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3)], [math.log(3), 0.0], [0.0, math.log(3)]])
    batches = [Labelled(logits[:2], torch.tensor([1, 1])), Labelled(logits[2:], torch.tensor([1]))]
    result = evaluate(nn.Identity(), batches, RUNTIME)
    assert result.accuracy == pytest.approx(200 / 3)
    assert result.loss == pytest.approx((2 * math.log(4 / 3) + math.log(4)) / 3)
    assert result.num_images == 3


def test_evaluation_changes_nothing() -> None:
    model = network().train()
    model[2].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batch = Labelled(torch.randn(5, 1, 4, 4), torch.zeros(5, dtype=torch.int64))
    results = [evaluate(model, [batch], RUNTIME) for _ in range(2)]
    assert results[0] == results[1]
    assert [module.training for module in model.modules()] == [True, True, True, False, True, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_no_images_are_refused() -> None:
    with pytest.raises(UsageError, match="no images to evaluate on"):
        evaluate(network(), [], RUNTIME)


def test_statistics_become_the_average_over_batches() -> None:
    model = network().eval()
    model[1].running_mean.fill_(9)
    inputs = [torch.randn(6, 1, 4, 4) + shift for shift in range(3)]
    recompute_batchnorm(model, iter(inputs), RUNTIME)
    maps = torch.stack([model[0](batch).detach() for batch in inputs])
    # float32; only the order of summation differs
    torch.testing.assert_close(model[1].running_mean, maps.mean(dim=(1, 3, 4)).mean(0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model[1].running_var, maps.var(dim=(1, 3, 4)).mean(0), rtol=1e-5, atol=1e-6)
    assert model[1].momentum == 0.3
    assert not any(module.training for module in model.modules())


def test_dropout_stays_off_while_statistics_are_recomputed() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2)).train()
    recompute_batchnorm(model, [torch.ones(64, 2)], RUNTIME)
    assert model[1].running_mean.tolist() == [1.0, 1.0]
    assert all(module.training for module in model.modules())


def test_modes_and_momenta_are_restored_after_a_failure() -> None:
    model = network().eval()
    with pytest.raises(RuntimeError):
        recompute_batchnorm(model, [torch.zeros(2, 7, 4, 4)], RUNTIME)
    assert model[1].momentum == 0.3
    assert not model[1].training


def test_without_batches_statistics_stay() -> None:
    model = network()
    model[1].running_mean.fill_(9)
    with pytest.raises(UsageError, match="no images to recompute batch normalization from"):
        recompute_batchnorm(model, [], RUNTIME)
    assert model[1].running_mean.tolist() == [9, 9, 9]
    recompute_batchnorm(nn.Linear(1, 1), [], RUNTIME)
