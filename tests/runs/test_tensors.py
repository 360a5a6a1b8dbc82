import hashlib
import json
from pathlib import Path

import pytest
import torch

from studentsearch.errors import DiskError, InputFileError
from studentsearch.runs.files import file_sha256, write_json, write_text
from studentsearch.runs.tensors import load_metadata, load_tensors, save_tensors


def test_tensors_come_back_bit_equal(tmp_path: Path) -> None:
    weights = torch.randn(3, 4)
    tensors = {
        "plain": weights,
        "same_memory": weights,
        "strided": weights.t(),
        "half": weights.bfloat16(),
        "count": torch.tensor(7),
        "parameter": torch.nn.Parameter(weights),
    }
    digest = save_tensors(tmp_path / "deep" / "w.safetensors", tensors, {"note": "a"})
    loaded = load_tensors(tmp_path / "deep" / "w.safetensors")
    assert set(loaded) == set(tensors)
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert all(loaded[name].dtype == tensors[name].dtype for name in tensors)
    assert digest == file_sha256(tmp_path / "deep" / "w.safetensors")
    assert load_metadata(tmp_path / "deep" / "w.safetensors") == {"note": "a"}
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["w.safetensors"]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"found no file .*absent\.safetensors"):
        load_tensors(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("length", [0, 5, 40])
def test_damaged_file_is_an_input_error(tmp_path: Path, length: int) -> None:
    file = tmp_path / "w.safetensors"
    save_tensors(file, {"a": torch.zeros(100)})
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(InputFileError, match="expected a whole safetensors file"):
        load_tensors(file)
    with pytest.raises(InputFileError, match="expected a whole safetensors file"):
        load_metadata(file)


def test_unwritable_place_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError, match=r"cannot write .*free space or permission"):
        write_text(tmp_path / "file" / "inside.txt", "y")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DiskError, match="cannot write"):
        write_text(tmp_path / "folder", "y")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_json_is_replaced_whole_and_refuses_nan(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"b": 1, "a": [1.5, None]})
    assert json.loads(file.read_text()) == {"b": 1, "a": [1.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(file, {"b": float("nan")})
    assert json.loads(file.read_text())["b"] == 1
    assert file_sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
