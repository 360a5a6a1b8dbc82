import numpy as np
import pytest
import torch
from nets import SMALL_NETS, ManyReaders, small_case
from torch import nn

from studentsearch.graph.liveness import liveness
from studentsearch.graph.macs import full_macs
from studentsearch.graph.trace import trace
from studentsearch.models.cifar import densenet_bc
from studentsearch.student.build import build_with_weights
from studentsearch.student.counts import count_everything, thop_macs
from studentsearch.student.slice import cut


def test_densenet100_12_in_every_convention() -> None:
    module = densenet_bc(depth=100, growth=12, num_classes=10).eval()
    network = trace(module, (3, 32, 32))
    whole = cut(network, liveness(network, (), np.ones(0, dtype=np.bool_)), module.state_dict())
    counts = count_everything(build_with_weights(whole.spec, whole.tensors), network)
    assert counts.macs == 287_929_692
    assert round(counts.paper / 1e6, 1) == 296.5  # fvcore says 296.505 M
    assert counts.thop == 305_095_602
    assert counts.flops == 2 * counts.macs
    assert counts.parameters == 769_162


@pytest.mark.parametrize("net", SMALL_NETS, ids=lambda net: net.__name__)
def test_three_counters_agree(net: type[nn.Module]) -> None:
    case = small_case(net)
    counts = count_everything(case.module, case.network)
    assert counts.macs == full_macs(case.network) == thop_macs(case.module, case.shape)
    assert counts.flops == 2 * counts.macs
    assert counts.parameters == sum(parameter.numel() for parameter in case.module.parameters())
    assert counts.as_dict()["paper"] > counts.macs or net.__name__ == "Flattened"


def test_counting_leaves_the_module_as_it_is() -> None:
    case = small_case(SMALL_NETS[1])
    names = set(case.module.state_dict())
    thop_macs(case.module, case.shape)
    count_everything(case.module, case.network)
    assert set(case.module.state_dict()) == names
    assert not any(layer._forward_hooks for layer in case.module.modules())


def test_an_emptied_layer_with_a_bias_is_counted() -> None:
    case = small_case(ManyReaders)
    student = case.cut(torch.from_numpy(case.closed("side")).double())
    module = build_with_weights(student.spec, student.tensors)
    assert "Constant" in {step.operation.kind for step in student.spec.steps}
    counts = count_everything(module, trace(module, case.shape))
    assert counts.flops == 2 * counts.macs == 2 * thop_macs(module, case.shape)
    assert all(parameter.requires_grad for parameter in module.parameters())
