"""Dropout that a forward calls as a function: evaluation shows nothing of it, so it is recorded as the layer it is."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import cast

from torch import nn
from torch.overrides import handle_torch_function, has_torch_function

from studentsearch.graph.layers import StochasticDepth
from studentsearch.graph.recording.calls import Call

_LAYERS: Mapping[str, type[nn.Module]] = {
    "dropout": nn.Dropout,
    "dropout1d": nn.Dropout1d,
    "dropout2d": nn.Dropout2d,
    "dropout3d": nn.Dropout3d,
    "alpha_dropout": nn.AlphaDropout,
    "feature_alpha_dropout": nn.FeatureAlphaDropout,
    "stochastic_depth": StochasticDepth,
    "drop_path": StochasticDepth,
}
_OF_RANK = {3: "dropout1d", 4: "dropout2d", 5: "dropout3d"}  # what torch.feature_dropout is for tensors of this rank
_WRITTEN_IN_PYTHON = (
    ("stochastic_depth", ("torchvision.ops", "torchvision.ops.stochastic_depth")),
    ("drop_path", ("timm.layers", "timm.layers.drop")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """A dropout that is called as a function.

    Attributes:
        layer: What does the same in training, and nothing in evaluation.
        is_training: Whether the call drops in the mode that is recorded.
        is_scaled: Whether what is kept grows as much as is dropped.
    """

    layer: nn.Module
    is_training: bool
    is_scaled: bool


def dropout_of(call: Call) -> Dropout | None:
    """The dropout that a call is, None for any other call and where nothing is ever dropped.

    Args:
        call: A call of a function, on tensors.

    Returns:
        The layer that it is.
    """
    name = call.name.removesuffix("_")
    if name == "feature_dropout":
        name = _OF_RANK.get(call.tensors[0].dim(), "dropout")
    if call.layer is not None or name not in _LAYERS:
        return None
    given = {**dict(zip(("input", "p", "training"), call.args, strict=False)), **call.kwargs}
    p = float(cast("float | None", given.get("p", given.get("drop_prob"))) or 0)
    if not p:
        return None
    kind = _LAYERS[name]
    is_path = kind is StochasticDepth
    layer = StochasticDepth(p, str(given.get("mode", "row"))) if is_path else kind(p, inplace=call.writes)
    return Dropout(
        layer=layer.eval(),
        is_training=bool(given.get("training", given.get("train"))),
        is_scaled=bool(given.get("scale_by_keep", True)),
    )


@contextmanager
def announced(module: nn.Module) -> Iterator[None]:
    """While it lasts, a function mode sees the dropouts that other libraries wrote in Python, as it sees torch's.

    They return their input in evaluation mode without a call of torch. They are replaced by name where they live and in
    the files of the module's classes.

    Args:
        module: The module whose forward is about to run.

    Yields:
        Nothing.
    """
    replaced: list[tuple[dict[str, object], str, object]] = []
    try:
        for name, homes in _WRITTEN_IN_PYTHON:
            original = getattr(sys.modules.get(homes[0]), name, None)
            if original is None:
                continue
            spaces = [vars(sys.modules[home]) for home in homes if home in sys.modules]
            for space in (*spaces, *_globals_of(module)):
                for key in [key for key, value in space.items() if value is original]:
                    replaced.append((space, key, original))
                    space[key] = _announcing(original)
        yield
    finally:
        for space, key, original in replaced:
            space[key] = original


def _globals_of(module: nn.Module) -> list[dict[str, object]]:
    """The names that the code of a module's classes sees."""
    kinds = {kind for part in module.modules() for kind in type(part).__mro__}
    held = [value for part in module.modules() for value in vars(part).values()]
    functions = [value for kind in kinds for value in vars(kind).values()] + held
    found = {id(value.__globals__): value.__globals__ for value in functions if isinstance(value, FunctionType)}
    return list(found.values())


def _announcing(original: Callable[..., object]) -> Callable[..., object]:
    """The same function, which hands its call to a function mode where one is on."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def function(*args: object, **kwargs: object) -> object:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        first, *rest = bound.arguments.items()
        if not has_torch_function((first[1],)):
            return original(*args, **kwargs)
        result: object = handle_torch_function(original, (first[1],), first[1], **dict(rest))
        return result

    return function
