"""No file of weights runs code, takes the process down, or ends in more than one line."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import torch
from hostile_weights import BYTES, LINEAR, PLACES, saved
from safetensors.torch import save
from torch import nn

from studentsearch.errors import InputFileError
from studentsearch.models.weights import load_weights, read_weights

_SECONDS = 20  # what hangs never ends; on a busy machine the rest takes one


@pytest.fixture(autouse=True)
def in_time_and_without_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert not (tmp_path / "ran").exists()


def refusal(path: Path) -> str:
    with pytest.raises(InputFileError) as caught:
        load_weights(nn.Linear(3, 2), read_weights(path), source=str(path))
    return str(caught.value)


@pytest.mark.parametrize("name", BYTES)
def test_a_hostile_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BYTES[name]())
    line = refusal(path)
    assert str(path) in line
    assert line.isprintable()


@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_regular_file_is_refused(name: str, tmp_path: Path) -> None:
    PLACES[name](tmp_path / name)
    assert str(tmp_path / name) in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("itself.pth", "wraps its tensors more than 8 times"),
        ("sparse.pt", r'"weight" is a sparse or nested tensor; expected a state_dict of tensors alone'),
        ("meta.pt", r'"weight" is a tensor without values'),
        ("quantized.pt", r'"weight" is a quantized tensor'),
        ("complex.pt", r'"weight" is a tensor of torch\.complex64'),
        ("nan.pt", "weight holds numbers that are not finite"),
        ("infinite_in_float32.pt", "weight holds numbers that are not finite"),
        ("bomb.pt", "claims 200,000,.* bytes in a file of"),
        ("nested_tuple.pt", "holds too many values beside its tensors"),
        ("numbered.pt", "names a tensor 1; expected a module's path"),
    ],
)
def test_the_line_says_what_was_found(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BYTES[name]())
    with pytest.raises(InputFileError, match=words):
        load_weights(nn.Linear(3, 2), read_weights(tmp_path / name), source=str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.bin", save(LINEAR)),
        ("w.ckpt", saved({"epoch": 3, "state_dict": LINEAR, "history": [(1, 0.5)] * 1000})),
        ("w.th", saved(LINEAR, legacy=True)),
        ("w.pt", saved({name: nn.Parameter(tensor) for name, tensor in LINEAR.items()})),
        ("half.pt", saved({name: tensor.half() for name, tensor in LINEAR.items()})),
        ("view.pt", saved(LINEAR | {"bias": torch.zeros(1).expand(2)})),
    ],
)
def test_honest_files_of_every_kind_are_read(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / f"link-{name}").symlink_to(name)
    network = nn.Linear(3, 2)
    load_weights(network, read_weights(tmp_path / f"link-{name}"), source=name)
    assert torch.equal(network.weight, LINEAR["weight"])
    assert not network.weight.is_sparse
