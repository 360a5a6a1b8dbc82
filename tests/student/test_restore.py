import numpy as np
import pytest
import torch
from nets import DENSENETS, EXACT, SMALL_NETS, Case, random_gates, small_case
from torch import Tensor
from torchvision.models.densenet import DenseNet

from studentsearch.graph.channels import norm_followed
from studentsearch.student.restore import restore_norms


def _cases() -> dict[str, Case]:
    small = {net.__name__: small_case(net) for net in SMALL_NETS}
    make, shape = DENSENETS["depth 10, growth 4"]
    published = DenseNet(growth_rate=2, block_config=(2, 2), num_init_features=4, bn_size=2, num_classes=3)
    return {**small, "densenet": Case(make(), shape), "norm behind norm": Case(published, (3, 16, 16))}


CASES = _cases()


def _restored(case: Case, gates: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    folded = case.folded(gates)
    return folded, restore_norms(case.network, case.alive(gates.numpy() != 0), case.module.state_dict(), folded)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_function_stays(case: Case) -> None:
    for seed, share in enumerate((1.0, 0.7, 0.3)):
        folded, restored = _restored(case, 0.1 * random_gates(case.num_gates, share_open=share, seed=seed))
        expected = case.logits(folded)
        assert (case.logits(restored) - expected).abs().max() <= EXACT * expected.abs().max()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_kept_weights_before_a_norm_have_the_teachers_norm(case: Case) -> None:
    gates = random_gates(case.num_gates, share_open=0.7, seed=3)
    folded, restored = _restored(case, gates)
    alive = case.alive(gates.numpy() != 0)
    followed = norm_followed(case.network)
    for node in case.network.nodes:
        name = f"{node.path}.weight"
        if node.index not in alive.reads:
            continue
        if node.index not in followed:
            assert torch.equal(restored[name], folded[name])
            continue
        grouped = node.operation.arguments.get("groups", 1) != 1
        reads = np.ones(folded[name].shape[1], dtype=np.bool_) if grouped else alive.reads[node.index]
        kept = np.ix_(alive.needed[node.index], reads)
        before = case.module.state_dict()[name].numpy()[kept]
        assert np.linalg.norm(restored[name].numpy()[kept]) == pytest.approx(np.linalg.norm(before), rel=1e-12)


def test_open_gates_change_nothing() -> None:
    case = CASES["Dense"]
    folded, restored = _restored(case, torch.ones(case.num_gates, dtype=torch.float64))
    for name, tensor in folded.items():
        # eps is added and taken away again
        torch.testing.assert_close(restored[name], tensor, rtol=1e-14, atol=1e-14)


def test_a_layer_whose_variance_would_turn_negative_keeps_its_scale() -> None:
    case = small_case(SMALL_NETS[2])
    gates = torch.full((case.num_gates,), 30.0, dtype=torch.float64)
    state = case.module.state_dict()
    state["norm3.running_var"][10] = 1e-8  # below eps: at most a factor of nearly 1 fits
    folded, restored = _restored(case, gates)
    assert torch.equal(restored["conv2.weight"], folded["conv2.weight"])
    assert not torch.equal(restored["conv1.weight"], folded["conv1.weight"])
    assert all((restored[name] > 0).all() for name in restored if name.endswith("running_var"))
