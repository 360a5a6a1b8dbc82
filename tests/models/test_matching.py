"""Foreign checkpoints: known other names, order where it tells, refusal where it does not."""

import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from studentsearch.errors import InputFileError
from studentsearch.models.registry import build_model
from studentsearch.models.weights import load_weights, read_weights


def trained(num_classes: int = 10) -> dict[str, Tensor]:
    torch.manual_seed(1)
    weights: dict[str, Tensor] = build_model("resnet8", num_classes=num_classes).state_dict()
    return {
        name: torch.rand_like(tensor) + 0.5 if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }


def foreign(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names that no rule knows, in the network's order, without batch counters."""
    kept = [(name, tensor) for name, tensor in weights.items() if not name.endswith("num_batches_tracked")]
    return {f"part{i}.{name.rpartition('.')[2]}": tensor for i, (name, tensor) in enumerate(kept)}


def fresh(num_classes: int = 10) -> nn.Module:
    torch.manual_seed(2)
    return build_model("resnet8", num_classes=num_classes)


def assert_loaded(network: nn.Module, weights: dict[str, Tensor]) -> None:
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights if "num_batches" not in name)


def swapped(tensors: dict[str, Tensor], first: str, second: str) -> dict[str, Tensor]:
    order = {first: second, second: first}
    return {order.get(name, name): tensors[order.get(name, name)] for name in tensors}


def test_own_names_need_no_note() -> None:
    network = fresh()
    assert load_weights(network, trained(), source="w.pt") is None
    assert_loaded(network, trained())


def test_common_names_of_cifar_resnets() -> None:
    network = build_model("resnet8_b", num_classes=10)
    weights = {name: torch.rand(tensor.shape) for name, tensor in network.state_dict().items() if "num" not in name}
    common = {
        name.replace("downsample", "shortcut").replace("fc.", "linear."): tensor for name, tensor in weights.items()
    }
    assert {"layer2.0.shortcut.1.running_var", "linear.bias"} <= common.keys()
    assert load_weights(network, dict(sorted(common.items())), source="w.pt") is None
    assert_loaded(network, weights)


def test_order_tells_where_names_do_not_and_says_so() -> None:
    network = fresh()
    note = load_weights(network, foreign(trained()), source="w.pt")
    assert note == (
        "w.pt: the names are foreign; its 37 tensors were taken by their order, in which every shape agrees, such as "
        "part0.weight for conv1.weight"
    )
    assert_loaded(network, trained())


def test_order_survives_a_file_of_torch_save(tmp_path: Path) -> None:
    torch.save({"state_dict": foreign(trained())}, tmp_path / "w.pt")
    network = fresh()
    assert "by their order" in str(load_weights(network, read_weights(tmp_path / "w.pt"), source="w.pt"))
    assert_loaded(network, trained())


def test_safetensors_lose_the_order(tmp_path: Path) -> None:
    save_file(
        {re.sub(r"part\d+", "p", name) + str(i): t for i, (name, t) in enumerate(foreign(trained()).items())},
        tmp_path / "w.safetensors",
    )
    with pytest.raises(
        InputFileError, match=r"in order: names in alphabetical order, which is not the network's; choose"
    ):
        load_weights(fresh(), read_weights(tmp_path / "w.safetensors"), source="w.safetensors")


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        # scale and shift of a BatchNorm: equal shapes, so only their roles tell them apart
        (lambda w: swapped(w, "part1.weight", "part2.bias"), r"part2\.bias \[16\] \(expected bn1\.weight \[16\]\)"),
        (
            lambda w: swapped(w, "part0.weight", "part5.weight"),
            r"part5\.weight \[16, 16, 3, 3\] \(expected conv1\.weight",
        ),
        (lambda w: dict(list(w.items())[1:]), r"36 tensors \(expected 37\)"),
        (lambda w: w | {"more.weight": torch.zeros(1)}, r"38 tensors \(expected 37\)"),
    ],
    ids=["roles", "shapes", "one less", "one more"],
)
def test_ambiguous_order_is_refused_and_changes_nothing(change, difference: str) -> None:
    network, before = fresh(), fresh().state_dict()
    with pytest.raises(
        InputFileError, match=rf"missing: bn1\.bias, .* more; unexpected: .*; in order: {difference}"
    ) as caught:
        load_weights(network, change(foreign(trained())), source="w.pt")
    assert "\n" not in str(caught.value)
    assert_loaded(network, before)


def test_a_known_name_at_another_place_is_refused() -> None:
    weights = OrderedDict(
        (f"part.{name}" if "conv2" not in name else name, tensor)
        for name, tensor in trained().items()
        if "num" not in name
    )
    weights = OrderedDict(swapped(weights, "layer1.0.conv2.weight", "part.layer1.0.conv1.weight"))
    with pytest.raises(
        InputFileError, match=r"in order: layer1\.0\.conv2\.weight .*\(expected layer1\.0\.conv1\.weight"
    ):
        load_weights(fresh(), weights, source="w.pt")


def test_other_classes_under_foreign_names() -> None:
    with pytest.raises(InputFileError, match=r"w\.pt: weights of 100 classes, the data has 10; choose the data"):
        load_weights(fresh(10), foreign(trained(100)), source="w.pt")


def test_heads_of_training_are_left_out() -> None:
    network = fresh()
    assert load_weights(network, trained() | {"aux1.fc.weight": torch.zeros(3)}, source="w.pt") is None
    assert_loaded(network, trained())
