"""Weights from files: read without running any code, loaded strictly."""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from studentsearch.errors import InputFileError
from studentsearch.models.matching import match

_TORCH_SUFFIXES = (".pt", ".pth", ".tar")
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_PREFIXES = ("module.", "_orig_mod.")  # torch.nn.DataParallel's and torch.compile's


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU; nothing in the file is run.

    Args:
        path: `.safetensors`, or `.pt`, `.pth`, `.pth.tar` that hold tensors alone.

    Returns:
        Name to tensor, without wrappers such as `state_dict` and without the prefix `module.`.

    Raises:
        InputFileError: No such file, unreadable, or it holds more than tensors.
    """
    if not path.is_file():
        raise InputFileError(f"{path}: no such file; expected weights as .safetensors, .pt or .pth")
    if path.suffix == ".safetensors":
        content: object = _read_safetensors(path)
    elif path.suffix in _TORCH_SUFFIXES:
        content = _read_torch(path)
    else:
        raise InputFileError(f'{path}: a file of kind "{path.suffix}"; expected .safetensors, .pt or .pth')
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
    broken = next((name for name, tensor in matched.weights.items() if not bool(tensor.isfinite().all())), None)
    if broken is not None:
        raise InputFileError(f"{source}: {broken} holds numbers that are not finite; expected trained weights")
    state.update(matched.weights)  # in the module's own mapping, which carries the versions that some modules ask for
    module.load_state_dict(state)
    return matched.note


def embedded_weights(name: str) -> Path | None:
    """The weights that come with this package for a registry name.

    Args:
        name: A registry name such as `densenet_digits`.

    Returns:
        A `.safetensors` file, or None where the package has none.
    """
    path = Path(__file__).parent / "pretrained" / f"{name}.safetensors"
    return path if path.is_file() else None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise InputFileError(f"{path}: not readable as safetensors ({_one_line(error)}); fetch it again") from error


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):  # of other pickle protocols; what does not load is told below
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r"GLOBAL (\S+)", str(error))
        found = f"needs {culprit[1]} to load" if culprit else "is not a file of torch.save"
        raise InputFileError(
            f"{path}: {found}; expected tensors alone; save module.state_dict(), best as .safetensors"
        ) from error
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        raise InputFileError(f"{path}: not readable ({_one_line(error)}); expected a file of torch.save") from error
    return content


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _tensors_of(content: object, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise InputFileError(f"{path}: holds a {type(content).__name__} without tensors; expected a state_dict")
    for name, value in content.items():
        if not isinstance(value, Tensor):
            raise InputFileError(
                f'{path}: "{name}" is a {type(value).__name__}; expected a state_dict of tensors alone'
            )
    return {str(name): value for name, value in content.items()}


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            return _without_prefix({name.removeprefix(prefix): tensor for name, tensor in tensors.items()})
    return tensors
