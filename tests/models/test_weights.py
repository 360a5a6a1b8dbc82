"""Weights from files: safe reading, foreign names, strict loading."""

import os
import pickle
import re
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from studentsearch.errors import InputFileError
from studentsearch.models.cifar import densenet_bc, densenet_digits
from studentsearch.models.matching import num_classes_of
from studentsearch.models.weights import load_weights, read_weights
from studentsearch.models.weights_file import embedded_weights


def fresh(num_classes: int = 10) -> nn.Module:
    return densenet_bc(depth=16, growth=4, num_classes=num_classes)


def trained(num_classes: int = 10) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Tensor] = fresh(num_classes).state_dict()
    for tensor in weights.values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return weights


def common_cifar_name(name: str) -> str:
    """The name in the common CIFAR DenseNet, from torchvision's; the inverse of what is tested."""
    name = re.sub(
        r"features\.denseblock(\d+)\.denselayer(\d+)\.",
        lambda match: f"block{match[1]}.layer.{int(match[2]) - 1}.",
        name,
    )
    name = re.sub(r"features\.transition(\d)\.(norm|conv)", r"trans\1.\g<2>1", name).replace("norm1", "bn1")
    name = re.sub(r"(trans\d|layer\.\d+)\.norm", r"\1.bn", name)
    return (
        name
        .replace("features.conv0", "conv1")
        .replace("features.norm5", "bn1")
        .replace("classifier", "fc")
        .replace("features.", "")
    )


def assert_loaded(network: nn.Module, weights: dict[str, Tensor]) -> None:
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth", ".pth.tar", ".th", ".ckpt", ".bin"])
def test_files_are_read_back(tmp_path: Path, suffix: str) -> None:
    path, weights = tmp_path / f"w{suffix}", trained()
    if suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    read = read_weights(path)
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], weights[name]) for name in weights)


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "net"])
def test_wrappers_and_prefixes_are_taken_off(tmp_path: Path, wrapper: str) -> None:
    path = tmp_path / "w.pt"
    torch.save({"epoch": 3, wrapper: {f"module.{name}": tensor for name, tensor in trained().items()}}, path)
    assert read_weights(path).keys() == trained().keys()


class RunsCode:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


def test_pickle_that_needs_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": RunsCode()}, "w.pt")
    with pytest.raises(InputFileError, match=r"needs \w+\.mkdir to load; expected tensors alone") as caught:
        read_weights(Path("w.pt"))
    assert "\n" not in str(caught.value)
    Path("old.pt").write_bytes(pickle.dumps(RunsCode()))
    with warnings.catch_warnings(action="error"), pytest.raises(InputFileError, match=r"is not a file of torch\.save"):
        read_weights(Path("old.pt"))
    assert not (tmp_path / "ran").exists()


def test_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(InputFileError, match=r"needs torch\.nn\.\S+ to load; expected tensors alone"):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 100, b"PK\x03\x04broken", b"<html>not found</html>"])
def test_damaged_file_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputFileError, match=r"is not a file of torch\.save|not readable") as caught:
        read_weights(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    torch.save(trained(), tmp_path / "w.pt")
    whole = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputFileError, match=r"not readable"):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, r'"epoch" is a int; expected a state_dict of tensors alone'),
        ([1, 2], r"holds a list without tensors"),
        ({}, r"holds a dict without tensors"),
    ],
)
def test_file_without_tensors(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputFileError, match=message):
        read_weights(tmp_path / "w.pt")


def test_missing_file_and_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"No such file or directory; expected weights as \.safetensors"):
        read_weights(tmp_path / "w.pt")
    (tmp_path / "w.h5").touch()
    with pytest.raises(InputFileError, match=r'a file of kind "\.h5"'):
        read_weights(tmp_path / "w.h5")


def test_own_names_load() -> None:
    network = fresh()
    load_weights(network, trained(), source="w.pt")
    assert_loaded(network, trained())


def test_common_cifar_names_load_to_the_same_tensors() -> None:
    foreign = {common_cifar_name(name): tensor for name, tensor in trained().items() if "num_batches" not in name}
    assert {"conv1.weight", "block1.layer.0.bn1.weight", "trans2.bn1.bias", "bn1.weight", "fc.bias"} <= foreign.keys()
    network = fresh()
    load_weights(network, foreign, source="w.pt")
    assert_loaded(network, {name: tensor for name, tensor in trained().items() if "num_batches" not in name})


def test_old_torchvision_names_load() -> None:
    old = {
        re.sub(r"(denselayer\d+\.)(norm|conv)([12])", r"\1\2.\3", name): tensor for name, tensor in trained().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    network = fresh()
    load_weights(network, old, source="w.pt")
    assert_loaded(network, trained())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_the_networks(dtype: torch.dtype) -> None:
    network = fresh()
    tensors = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in trained().items()}
    load_weights(network, tensors, source="w.pt")
    loaded = network.state_dict()
    assert loaded["classifier.weight"].dtype == torch.float32
    assert torch.equal(loaded["classifier.weight"], tensors["classifier.weight"].float())


def test_misfit_lists_the_first_names_and_changes_nothing() -> None:
    network, weights = fresh(), trained()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for layer in (1, 2):
        for norm in (1, 2):
            del weights[f"features.denseblock1.denselayer{layer}.norm{norm}.bias"]
    weights["extra"] = torch.zeros(1)
    weights["features.norm5.weight"] = torch.zeros(3)
    with pytest.raises(
        InputFileError,
        match=r"^w\.pt: .*missing: \S+denselayer1\.norm1\.bias, \S+, \S+ and 1 more; unexpected: extra; "
        r"other shape: features\.norm5\.weight \[3\] \(expected \[\d+\]\); choose the model",
    ) as caught:
        load_weights(network, weights, source="w.pt")
    assert "\n" not in str(caught.value)
    assert_loaded(network, before)


def test_another_number_of_classes_has_its_own_words() -> None:
    with pytest.raises(InputFileError, match=r"w\.pt: weights of 100 classes, the data has 10; choose"):
        load_weights(fresh(10), trained(100), source="w.pt")
    foreign = {common_cifar_name(name): tensor for name, tensor in trained(100).items()}
    with pytest.raises(InputFileError, match=r"weights of 100 classes, the data has 10"):
        load_weights(fresh(10), foreign, source="w.pt")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.full((10,), float("nan")), r"classifier\.bias holds numbers that are not finite"),
        (torch.zeros(10, dtype=torch.int8), r"classifier\.bias \[10\] torch\.int8 \(expected \[10\]\)"),
    ],
)
def test_weights_that_are_no_weights(value: Tensor, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        load_weights(fresh(), trained() | {"classifier.bias": value}, source="w.pt")


def test_two_names_for_one_tensor_are_refused() -> None:
    double = trained()
    double["features.denseblock1.denselayer1.norm.1.weight"] = torch.zeros(8)
    with pytest.raises(InputFileError, match=r"unexpected: features\.denseblock1\.denselayer1\.norm\.1\.weight"):
        load_weights(fresh(), double, source="w.pt")


def test_number_of_classes() -> None:
    assert num_classes_of(trained(7)) == 7
    assert num_classes_of({"fc.weight": torch.zeros(5, 2), "conv1.weight": torch.zeros(3, 3, 1, 1)}) == 5
    assert num_classes_of({"classifier.0.weight": torch.zeros(8, 2), "classifier.6.weight": torch.zeros(4, 8)}) == 4
    assert num_classes_of({"conv.weight": torch.zeros(3, 3, 1, 1)}) is None


def test_embedded_weights_fit_their_network() -> None:
    assert embedded_weights("no_such_model") is None
    path = embedded_weights("densenet_digits")
    if path is not None:
        load_weights(densenet_digits(), read_weights(path), source=str(path))
