"""Weights from files: read without running any code, renamed to torchvision's names, loaded strictly."""

import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from studentsearch.errors import InputFileError

_TORCH_SUFFIXES = (".pt", ".pth", ".tar")
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_PREFIXES = ("module.", "_orig_mod.")  # torch.nn.DataParallel's and torch.compile's
_COUNTER = "num_batches_tracked"
_HEAD = re.compile(r"(?P<layer>(?:classifier|fc|head|linear)(?:\.(?P<index>[0-9]+))?)\.weight")
_SHOWN = 3

# Each origin is a list of (expression, replacement): the first that matches a name renames it, other names stay.
# The origin under which the fewest names misfit the network is taken, the first of equals.
_ORIGINS: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    # torchvision's DenseNet files from before names with points were refused
    ((r"^(.*denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2."),),
    # DenseNet for CIFAR as commonly written: block1.layer.0.bn1, trans1.conv1, fc
    (
        (r"^block(\d+)\.layer\.(\d+)\.bn(\d)\.", r"features.denseblock\1.denselayer<\2>.norm\3."),
        (r"^block(\d+)\.layer\.(\d+)\.conv(\d)\.", r"features.denseblock\1.denselayer<\2>.conv\3."),
        (r"^trans(\d+)\.bn1\.", r"features.transition\1.norm."),
        (r"^trans(\d+)\.conv1\.", r"features.transition\1.conv."),
        (r"^conv1\.", "features.conv0."),
        (r"^bn1\.", "features.norm5."),
        (r"^fc\.", "classifier."),
    ),
)
_COUNTED_FROM_ZERO = re.compile(r"<(\d+)>")  # an index that torchvision counts from one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Misfit:
    """What keeps tensors from being a network's weights, each a sorted tuple of names."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshaped: tuple[str, ...]

    @property
    def num_names(self) -> int:
        """Names that do not fit."""
        return len(self.missing) + len(self.unexpected) + len(self.misshaped)


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


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Put tensors into a network, each name exactly once, whatever floating dtype they have.

    Names may be the network's own, torchvision's old DenseNet names, or those of the common CIFAR DenseNet. BN's batch
    counters may be missing: they do not change the function.

    Args:
        module: Changed in place; unchanged when this raises.
        tensors: Name to tensor, shapes as in `module`.
        source: What the tensors come from, for the message.

    Raises:
        InputFileError: Names, shapes or the number of classes differ, or a weight is not finite.
    """
    candidates = [_renamed(tensors, rules) for rules in _ORIGINS]
    distinct = [candidate for candidate in candidates if len(candidate) == len(tensors)]  # no two names became one
    weights = min(distinct, key=lambda candidate: _compare(module, candidate).num_names)
    misfit = _compare(module, weights)
    if misfit.num_names:
        raise InputFileError(_explain(module, weights, misfit, source=source))
    broken = next((name for name, tensor in weights.items() if not bool(tensor.isfinite().all())), None)
    if broken is not None:
        raise InputFileError(f"{source}: {broken} holds numbers that are not finite; expected trained weights")
    module.load_state_dict(weights, strict=False)  # only batch counters can be missing here


def num_classes_of(tensors: Mapping[str, Tensor]) -> int | None:
    """How many classes weights tell apart: the rows of the last linear layer's weight.

    Args:
        tensors: Name to tensor.

    Returns:
        The classes, or None where no layer goes by a usual name (`classifier`, `fc`, `head`, `linear`).
    """
    layer = _head_of(tensors)
    return None if layer is None else tensors[f"{layer}.weight"].shape[0]


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


def _renamed(tensors: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    return {_rename(name, rules): tensor for name, tensor in tensors.items()}


def _rename(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for expression, replacement in rules:
        new_name, num_matches = re.subn(expression, replacement, name)
        if num_matches:
            return _COUNTED_FROM_ZERO.sub(lambda match: str(int(match[1]) + 1), new_name)
    return name


def _compare(module: nn.Module, weights: Mapping[str, Tensor]) -> _Misfit:
    expected: dict[str, Tensor] = module.state_dict()
    missing = (name for name in expected if name not in weights and not name.endswith(_COUNTER))
    common = (name for name in weights if name in expected)
    return _Misfit(
        missing=tuple(sorted(missing)),
        unexpected=tuple(sorted(name for name in weights if name not in expected)),
        misshaped=tuple(sorted(name for name in common if not _fits(weights[name], expected[name]))),
    )


def _fits(tensor: Tensor, expected: Tensor) -> bool:
    return tensor.shape == expected.shape and (tensor.is_floating_point() or not expected.is_floating_point())


def _explain(module: nn.Module, weights: Mapping[str, Tensor], misfit: _Misfit, *, source: str) -> str:
    expected: dict[str, Tensor] = module.state_dict()
    found_classes, expected_classes = num_classes_of(weights), num_classes_of(expected)
    if found_classes != expected_classes and _only_classes_differ(expected, weights, misfit):
        return (
            f"{source}: weights of {found_classes} classes, the data has {expected_classes}; "
            "choose the data they were trained on, or other weights"
        )
    shapes = tuple(
        f"{name} {_describe(weights[name])} (expected {_describe(expected[name])})" for name in misfit.misshaped
    )
    groups = (("missing", misfit.missing), ("unexpected", misfit.unexpected), ("other shape", shapes))
    found = "; ".join(f"{word}: {_first(names)}" for word, names in groups if names)
    return f"{source}: not the weights of this network; {found}; choose the model these weights belong to"


def _only_classes_differ(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], misfit: _Misfit) -> bool:
    layer = _head_of(expected)
    if misfit.missing or misfit.unexpected or not set(misfit.misshaped) <= {f"{layer}.weight", f"{layer}.bias"}:
        return False
    return all(weights[name].shape[1:] == expected[name].shape[1:] for name in misfit.misshaped)


def _head_of(tensors: Mapping[str, Tensor]) -> str | None:
    found = [match for name, tensor in tensors.items() if tensor.ndim == 2 and (match := _HEAD.fullmatch(name))]
    last = max(found, key=lambda match: int(match["index"] or 0), default=None)
    return None if last is None else last["layer"]


def _describe(tensor: Tensor) -> str:
    dtype = "" if tensor.is_floating_point() else f" {tensor.dtype}"
    return f"{list(tensor.shape)}{dtype}"


def _first(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
