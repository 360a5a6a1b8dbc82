"""What a forward pass returns, taken apart: its tensors by name, and the one that is trained and evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass

from torch import Tensor

from studentsearch.errors import UsageError

_USUAL_NAMES = ("out", "logits")
_BATCH_AND_CLASSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPath:
    """Where a tensor stands in what a forward pass returns.

    Attributes:
        keys: Keys of dictionaries, fields of named tuples and dataclasses, positions in tuples, from the outside in;
            none where the tensor is returned alone.
    """

    keys: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        """The keys with dots between them, `logits` for a tensor that is returned alone."""
        return ".".join(map(str, self.keys)) or "logits"

    def taken_from(self, answer: object) -> Tensor:
        """The tensor at this path.

        Args:
            answer: What a forward pass returned.

        Returns:
            One of its tensors.

        Raises:
            UsageError: There is no tensor at this path; return the same outputs at every call.
        """
        found = answer
        for key in self.keys:
            found = _items(found).get(key)
        if not isinstance(found, Tensor):
            raise UsageError(
                f"the network returned {listed(outputs_of(answer))}, without output {self}; "
                "expected the same outputs at every call; write its forward pass so"
            )
        return found


ALONE = OutputPath()
"""The path of a tensor that is returned alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Output:
    """One tensor of what a forward pass returns: its path, and its values `[B, ...]`."""

    path: OutputPath
    tensor: Tensor

    def __str__(self) -> str:
        """Name and shape, `aux [B, 10]`."""
        return f"{self.path} {_shape(self.tensor)}"


def outputs_of(answer: object) -> tuple[Output, ...]:
    """All tensors of what a forward pass returned.

    Args:
        answer: A tensor, or tuples, lists, dictionaries, named tuples and dataclasses of tensors, nested as they come.

    Returns:
        One entry a tensor, in the order in which they stand.
    """
    return tuple(_walk(answer, ()))


def choose_logits(outputs: Sequence[Output], wanted: str | None, *, num_classes: int, source: str) -> int:
    """The output that is trained and evaluated: what the user named, else the usual one.

    Args:
        outputs: All outputs of a network.
        wanted: Name of an output, or its position among all of them; None means the usual one.
        num_classes: Classes of the data.
        source: The network's name, for the message.

    Returns:
        Its position in `outputs`.

    Raises:
        UsageError: No such output, or one that does not give `[B, classes]`; name another one.
    """
    number = usual_logits(outputs, num_classes) if wanted is None else named_output(outputs, wanted, source)
    found = outputs[number]
    others = [str(output) for output in outputs if output is not found]
    another = f"name another output with --logits ({', '.join(others)}), or " if others else ""
    if found.tensor.dim() != _BATCH_AND_CLASSES:
        raise UsageError(
            f"{source}: output {found}; expected [B, classes], one answer an image; {another}end the network with "
            "pooling, flatten and a linear layer"
        )
    if found.tensor.shape[1] != num_classes:
        output = f" (output {found.path})" if others else ""
        raise UsageError(
            f"{source} answers with {found.tensor.shape[1]} classes{output}, the data has {num_classes}; "
            f"{another}give the data it was trained on"
        )
    return number


def usual_logits(outputs: Sequence[Output], num_classes: int | None) -> int:
    """The output that is meant where the user names none.

    Args:
        outputs: All outputs of a network.
        num_classes: Classes of the data; None for any.

    Returns:
        The position of `out`, else of `logits`, else of the first output `[B, classes]`, else 0.
    """
    names = [str(output.path) for output in outputs]
    for name in _USUAL_NAMES:
        if name in names:
            return names.index(name)
    fitting = (
        number
        for number, output in enumerate(outputs)
        if output.tensor.dim() == _BATCH_AND_CLASSES and num_classes in {None, output.tensor.shape[1]}
    )
    return next(fitting, 0)


def listed(outputs: Sequence[Output]) -> str:
    """Names and shapes of outputs: `out [B, 10], aux [B, 10]`."""
    return ", ".join(map(str, outputs)) or "no tensor"


def named_output(outputs: Sequence[Output], wanted: str, source: str) -> int:
    """The output that a user's word means; a name goes before a position.

    Args:
        outputs: All outputs of a network.
        wanted: Name of an output, or its position among all of them.
        source: The network's name, for the message.

    Returns:
        Its position in `outputs`.

    Raises:
        UsageError: No such output; give one that is listed.
    """
    names = [str(output.path) for output in outputs]
    if wanted in names:
        return names.index(wanted)
    if wanted.isascii() and wanted.isdigit() and int(wanted) < len(outputs):
        return int(wanted)
    if outputs[0].path == ALONE:
        raise UsageError(f"found --logits {wanted}; {source} returns one tensor; leave --logits out")
    raise UsageError(
        f"found --logits {wanted}; {source} returns {listed(outputs)}; give one of these names, or a position "
        f"from 0 to {len(outputs) - 1}"
    )


def _walk(value: object, keys: tuple[str | int, ...]) -> Iterator[Output]:
    if isinstance(value, Tensor):
        yield Output(path=OutputPath(keys=keys), tensor=value)
        return
    for key, item in _items(value).items():
        yield from _walk(item, (*keys, key))


def _items(value: object) -> Mapping[str | int, object]:
    """What a container holds by key, field or position; nothing for what is none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(enumerate(value)) if isinstance(value, (tuple, list)) else {}


def _shape(tensor: Tensor) -> str:
    return f"[{', '.join(('B', *map(str, tensor.shape[1:])))}]"
