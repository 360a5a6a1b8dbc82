from pathlib import Path

import pytest
import torch

from studentsearch.errors import InputFileError
from studentsearch.jobs.evaluate import EvaluateOptions, evaluate
from studentsearch.jobs.opening import normalization_metadata, published_normalization
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.models.weights_file import embedded_weights
from studentsearch.records.normalization import Normalization
from studentsearch.runs.tensors import load_metadata, load_tensors, save_tensors

DIGITS = DataOptions(name="digits")


def test_normalization_travels_in_the_header_of_taught_weights(tmp_path: Path) -> None:
    taught = Normalization(mean=(0.25,), std=(0.5,))
    file = tmp_path / "weights.safetensors"
    save_tensors(file, {"a": torch.zeros(1)}, normalization_metadata(taught))
    assert published_normalization("densenet_digits", file, DIGITS) == taught


def test_weights_without_a_header_leave_the_normalization_to_the_data(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_tensors(file, {"a": torch.zeros(1)})
    assert published_normalization("densenet_digits", file, DIGITS) is None


def test_an_unreadable_header_is_told(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_tensors(file, {"a": torch.zeros(1)}, {"normalization": "{}"})
    with pytest.raises(InputFileError, match="give --mean and --std"):
        published_normalization("densenet_digits", file, DIGITS)


def test_the_embedded_teacher_keeps_its_accuracy() -> None:
    path = embedded_weights("densenet_digits")
    assert path is not None
    assert path.stat().st_size <= 500_000
    assert "normalization" in load_metadata(path)
    assert sum(tensor.numel() for name, tensor in load_tensors(path).items() if name.endswith("weight")) > 10_000
    compute = ComputeOptions(device="cpu", precision="float32", threads=1)
    found = evaluate(EvaluateOptions(model="densenet_digits", compute=compute))
    assert found.num_images == 400
    assert found.accuracy == pytest.approx(99.25, abs=0.26)  # one image of 400, for builds that round otherwise
