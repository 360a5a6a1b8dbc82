"""Weights from files: read without running any code, loaded strictly."""

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from studentsearch.errors import InputFileError
from studentsearch.models.matching import match
from studentsearch.models.torch_file import read_torch
from studentsearch.models.weights_file import open_weights_file

_SAFETENSORS_HEADER_BYTES = 100_000_000  # the format's own bound
_LENGTH_BYTES = 8
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_MAX_WRAPPERS = 8
_MAX_NAME = 1000
_PREFIXES = ("module.", "_orig_mod.")  # torch.nn.DataParallel's and torch.compile's
_DTYPES = frozenset({
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
})


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU; nothing in the file is run.

    Args:
        path: Safetensors, or a file of torch.save (`.pt`, `.pth`, `.pth.tar`, `.th`, `.ckpt`, `.bin`) that holds
            tensors alone; which of the two is told by its content.

    Returns:
        Name to tensor, without wrappers such as `state_dict` and without the prefix `module.`.

    Raises:
        InputFileError: No such file, not a regular one, unreadable, or it holds more than plain tensors.
    """
    with open_weights_file(path) as file:
        if path.suffix == ".safetensors" or _is_safetensors(file):
            content: object = _read_safetensors(path)
        else:
            content = read_torch(file, path)
    return _without_prefix(_tensors_of(content, path))


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> str | None:
    """Put tensors into a network, each name exactly once, whatever floating dtype they have.

    Names may be the network's own, or others as `studentsearch.models.matching.match` tells. BN's batch counters may be
    missing: they do not change the function.

    Args:
        module: Changed in place; unchanged when this raises.
        tensors: Name to tensor, shapes as in `module`.
        source: What the tensors come from, for the message.

    Returns:
        A line for the user where the tensors were told apart by their order, else None.

    Raises:
        InputFileError: Names, shapes or the number of classes differ, or a weight is not finite.
    """
    state: dict[str, Tensor] = module.state_dict()
    matched = match(state, tensors, source=source)
    for name, tensor in matched.weights.items():
        # as the network will hold them: 1e300 is finite in float64 and is not in float32
        if not bool(tensor.to(state[name].dtype).isfinite().all()):
            raise InputFileError(f"{source}: {name} holds numbers that are not finite; expected trained weights")
    state.update(matched.weights)  # in the module's own mapping, which carries the versions that some modules ask for
    module.load_state_dict(state)
    return matched.note


def _is_safetensors(file: BinaryIO) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON object, then that object."""
    start = file.read(_LENGTH_BYTES + 1)
    file.seek(0)
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    return len(start) > _LENGTH_BYTES and start[-1:] == b"{" and length <= _SAFETENSORS_HEADER_BYTES


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except Exception as error:  # SafetensorError, but also what torch raises for a type that it does not have
        raise InputFileError(f"{path}: not readable as safetensors ({_one_line(error)}); fetch it again") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _tensors_of(content: object, path: Path) -> dict[str, Tensor]:
    state = _unwrapped(content, path)
    for name, value in state.items():
        if not (isinstance(name, str) and name.isprintable() and len(name) <= _MAX_NAME):
            raise InputFileError(f"{path}: names a tensor {name!r:.60}; expected a module's path; save its state_dict")
        problem = _problem_of(value)
        if problem is not None:
            raise InputFileError(f'{path}: "{name}" is {problem}; expected a state_dict of tensors alone')
    return {name: value.detach() for name, value in state.items()}


def _unwrapped(content: object, path: Path) -> Mapping[str, Tensor]:
    """The innermost mapping; a file may wrap itself, and then there is none."""
    for _ in range(_MAX_WRAPPERS):
        if not isinstance(content, Mapping):
            break
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    else:
        raise InputFileError(f"{path}: wraps its tensors more than {_MAX_WRAPPERS} times; expected a state_dict")
    if not isinstance(content, Mapping) or not content:
        raise InputFileError(f"{path}: holds a {type(content).__name__} without tensors; expected a state_dict")
    return content


def _problem_of(value: object) -> str | None:
    """What keeps a value from being a plain tensor in memory, or None."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    if value.is_quantized:
        return "a quantized tensor"
    if value.layout != torch.strided or value.is_nested:
        return "a sparse or nested tensor"
    if value.device.type != "cpu":
        return f"a tensor without values (device {value.device})"
    return None if value.dtype in _DTYPES else f"a tensor of {value.dtype}"


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            return _without_prefix({name.removeprefix(prefix): tensor for name, tensor in tensors.items()})
    return tensors
