"""Which tensor of a foreign checkpoint is which of a network's: by name, by known other names, by order and shape."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from studentsearch.errors import InputFileError

_COUNTER = "num_batches_tracked"
_TRAINING_ONLY = ("aux1.", "aux2.", "AuxLogits.")  # torchvision's heads that the answer does not depend on
_HEAD = re.compile(r"(?P<layer>(?:classifier|head\.fc|fc|heads\.head|head|linear)(?:\.(?P<index>[0-9]+))?)\.weight")
_ROLES = ("weight", "bias", "running_mean", "running_var")
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
    # ResNet for CIFAR as commonly written: layer2.0.shortcut.0, linear
    ((r"^(layer\d+\.\d+)\.shortcut\.", r"\1.downsample."), (r"^linear\.", "fc.")),
)
_COUNTED_FROM_ZERO = re.compile(r"<(\d+)>")  # an index that torchvision counts from one


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A checkpoint under a network's own names.

    Attributes:
        weights: Name to tensor; every tensor of the network except batch counters.
        note: A line for the user where order decided, else None.
    """

    weights: Mapping[str, Tensor]
    note: str | None


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


def match(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], *, source: str) -> Match:
    """Give a checkpoint's tensors the names of a network's.

    Names decide: the network's own, torchvision's old DenseNet names, those of the common CIFAR DenseNet and ResNet.
    Where they do not, order decides if it is unambiguous: as many tensors, and in order every one of the same shape and
    role (weight, bias, running mean, running variance). Batch counters are left aside, and so are heads that only
    training uses.

    Args:
        expected: The network's state.
        tensors: The checkpoint, in the order of the network that it was saved from.
        source: What the tensors come from, for the message.

    Returns:
        The tensors by the network's names.

    Raises:
        InputFileError: Neither names nor order tell; the first differences are listed.
    """
    tensors = {
        name: tensor for name, tensor in tensors.items() if name in expected or not name.startswith(_TRAINING_ONLY)
    }
    candidates = [_renamed(tensors, rules) for rules in _ORIGINS]
    distinct = [candidate for candidate in candidates if len(candidate) == len(tensors)]  # no two names became one
    weights = min(distinct, key=lambda candidate: _compare(expected, candidate).num_names)
    misfit = _compare(expected, weights)
    if not misfit.num_names:
        return Match(weights=weights, note=None)
    names, foreign = _counted(expected), _counted(tensors)
    ordered = {name: tensors[key] for name, key in zip(names, foreign, strict=False)}
    difference = _difference_in_order(expected, tensors)
    if difference is None:
        return Match(weights=ordered, note=_told_by_order(names, foreign, source))
    for renamed in (weights, ordered):
        if _only_classes_differ(expected, renamed):
            raise InputFileError(
                f"{source}: weights of {num_classes_of(renamed)} classes, the data has {num_classes_of(expected)}; "
                "choose the data they were trained on, or other weights"
            )
    in_order = f"in order: {difference}" if len(names) < 2 * len(misfit.missing) else None
    raise InputFileError(_explain(expected, weights, misfit, in_order, source=source))


def num_classes_of(tensors: Mapping[str, Tensor]) -> int | None:
    """How many classes weights tell apart: the rows of the last linear layer's weight.

    Args:
        tensors: Name to tensor.

    Returns:
        The classes, or None where no layer goes by a usual name (`classifier`, `fc`, `head`, `linear`).
    """
    layer = _head_of(tensors)
    return None if layer is None else tensors[f"{layer}.weight"].shape[0]


def _renamed(tensors: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    return {_rename(name, rules): tensor for name, tensor in tensors.items()}


def _rename(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for expression, replacement in rules:
        new_name, num_matches = re.subn(expression, replacement, name)
        if num_matches:
            return _COUNTED_FROM_ZERO.sub(lambda match: str(int(match[1]) + 1), new_name)
    return name


def _counted(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.endswith(_COUNTER)]


def _compare(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> _Misfit:
    common = (name for name in weights if name in expected)
    return _Misfit(
        missing=tuple(sorted(name for name in _counted(expected) if name not in weights)),
        unexpected=tuple(sorted(name for name in weights if name not in expected)),
        misshaped=tuple(sorted(name for name in common if not _agree(weights[name], expected[name]))),
    )


def _agree(tensor: Tensor, expected: Tensor) -> bool:
    return tensor.shape == expected.shape and (tensor.is_floating_point() or not expected.is_floating_point())


def _difference_in_order(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str | None:
    """What keeps order from telling which tensor is which, or None where it tells."""
    names, foreign = _counted(expected), _counted(tensors)
    if len(foreign) != len(names):
        return f"{len(foreign)} tensors (expected {len(names)})"
    if foreign == sorted(foreign):  # as safetensors stores them, whatever the network's own order was
        return "names in alphabetical order, which is not the network's"
    for name, key in zip(names, foreign, strict=True):
        found, wanted = tensors[key], expected[name]
        if not _agree(found, wanted) or not _may_be(key, name) or (key in expected and key != name):
            return f"{key} {_describe(found)} (expected {name} {_describe(wanted)})"
    return None


def _may_be(key: str, name: str) -> bool:
    found, wanted = key.rpartition(".")[2], name.rpartition(".")[2]
    return found == wanted or found not in _ROLES or wanted not in _ROLES


def _told_by_order(names: list[str], foreign: list[str], source: str) -> str:
    key, name = next((key, name) for key, name in zip(foreign, names, strict=True) if key != name)
    return (
        f"{source}: the names are foreign; its {len(names)} tensors were taken by their order, in which every shape "
        f"agrees, such as {key} for {name}"
    )


def _explain(
    expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], misfit: _Misfit, in_order: str | None, *, source: str
) -> str:
    shapes = tuple(
        f"{name} {_describe(weights[name])} (expected {_describe(expected[name])})" for name in misfit.misshaped
    )
    groups = (("missing", misfit.missing), ("unexpected", misfit.unexpected), ("other shape", shapes))
    found = [f"{word}: {_first(names)}" for word, names in groups if names] + ([in_order] if in_order else [])
    return f"{source}: not the weights of this network; {'; '.join(found)}; choose the model these weights belong to"


def _only_classes_differ(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> bool:
    layer, misfit = _head_of(expected), _compare(expected, weights)
    if layer is None or num_classes_of(weights) == num_classes_of(expected):
        return False
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
