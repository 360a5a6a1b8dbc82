import numpy as np
import pytest
import torch
from nets import DENSENETS, SMALL_NETS, Case, random_gates, small_case
from torch import Tensor, nn

from studentsearch.search.gated import gated_forward, reader_means, scale_gradients


def _on_activations(case: Case, gates: Tensor) -> list[torch.utils.hooks.RemovableHandle]:
    """Hooks that multiply what each reader reads by its gates: the textbook form."""
    layers = dict(case.module.named_modules())
    handles = []
    for site in case.sites:
        gate = gates[site.span] if site.gate_of is None else gates[site.span][torch.from_numpy(site.gate_of)]

        def scaled(_: nn.Module, inputs: tuple[Tensor], gate: Tensor = gate) -> Tensor:
            return inputs[0] * gate.view(1, -1, *([1] * (inputs[0].dim() - 2)))

        handles.append(layers[site.path].register_forward_pre_hook(scaled))
    return handles


@pytest.fixture(params=SMALL_NETS, ids=lambda net: net.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    return small_case(request.param)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_open_gates_are_the_teacher_bit_for_bit(case: Case, dtype: torch.dtype) -> None:
    module, images = case.module.to(dtype), case.images.to(dtype)
    with torch.no_grad():
        assert torch.equal(gated_forward(module, case.sites, torch.ones(case.num_gates), images), module(images))


def test_open_gates_are_a_densenet_bit_for_bit() -> None:
    make, shape = DENSENETS["digits"]
    case = Case(make(), shape)
    with torch.no_grad():
        found = gated_forward(case.module, case.sites, torch.ones(case.num_gates), case.images)
        assert torch.equal(found, case.module(case.images))


def test_gates_on_weight_slices_are_gates_on_activations(case: Case) -> None:
    gates = random_gates(case.num_gates, share_open=0.8, seed=4).requires_grad_()
    weights = [parameter for parameter in case.module.parameters() if parameter.requires_grad]
    probe = torch.randn(len(case.images), case.network.num_outputs, dtype=torch.float64)
    on_slices = gated_forward(case.module, case.sites, gates, case.images)
    found = torch.autograd.grad((on_slices * probe).sum(), [gates, *weights])
    _on_activations(case, gates)
    on_activations = case.module(case.images)
    expected = torch.autograd.grad((on_activations * probe).sum(), [gates, *weights])
    torch.testing.assert_close(on_slices, on_activations, rtol=1e-10, atol=1e-12)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)  # float64; the order of summation differs


def test_a_gated_forward_pass_leaves_the_module_as_it_is(case: Case) -> None:
    before = {name: tensor.clone() for name, tensor in case.module.state_dict().items()}
    gated_forward(case.module, case.sites, random_gates(case.num_gates, share_open=0.5, seed=0), case.images)
    assert all(torch.equal(before[name], tensor) for name, tensor in case.module.state_dict().items())


def test_reader_means_by_hand() -> None:
    case = small_case(SMALL_NETS[0])
    first, second, head = case.site("layers.4"), case.site("layers.8"), case.site("head")
    gates = torch.ones(case.num_gates)
    gates[first.span] = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.0, 0.8])  # open ones have mean 0.5
    gates[second.span] = 3.0
    gates[head.span] = 0.1
    means = reader_means(case.sites, gates, frozenset({first.node, second.node}))
    torch.testing.assert_close(means[first.span], torch.full((6,), 0.5))
    assert (means[second.span] == 1).all()  # at most 1
    assert (means[head.span] == 1).all()  # no norm behind it
    gates[first.span] = 0
    assert (reader_means(case.sites, gates, frozenset({first.node})) == 1).all()


def test_gradients_are_scaled_reader_by_reader() -> None:
    case = small_case(SMALL_NETS[2])
    gated_forward(case.module, case.sites, torch.ones(case.num_gates), case.images).square().sum().backward()
    before = {name: parameter.grad.clone() for name, parameter in case.module.named_parameters()}
    scale = torch.ones(case.num_gates)
    scale[case.site("conv1").span] = 0.25
    scale_gradients(case.module, case.sites, scale)
    for name, parameter in case.module.named_parameters():
        assert torch.equal(parameter.grad, before[name] * (0.25 if name == "conv1.weight" else 1.0))


def test_a_gate_of_zero_is_a_channel_of_zeros(case: Case) -> None:
    gates = torch.ones(case.num_gates, dtype=torch.float64)
    site = case.sites[-1]
    gates[site.start] = 0
    state = case.folded(gates)
    closed = 1 if site.gate_of is None else int((site.gate_of == 0).sum())
    assert not state[site.weight_name][:, :closed].any()
    with torch.no_grad():
        found = gated_forward(case.module, case.sites, gates, case.images)
    np.testing.assert_array_equal(found.numpy(), case.logits(state).numpy())
