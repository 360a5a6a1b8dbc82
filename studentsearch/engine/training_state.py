"""What moves in a training, as tensors by name: modules and the momentum of their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

_MOMENTUM, _BUFFER = "momentum", "momentum_buffer"


class TrainingState:
    """The modules that an SGD optimizer trains, saved and restored with its momentum, bit for bit."""

    def __init__(self, parts: Mapping[str, nn.Module], sgd: torch.optim.SGD) -> None:
        """Name what moves.

        Args:
            parts: Modules by name.
            sgd: Trains the parameters of all of them.
        """
        self._parts, self._sgd = dict(parts), sgd

    def state_dict(self) -> dict[str, Tensor]:
        """`PART.NAME` for parameters and buffers, `momentum.PART.NAME` for those that have momentum by now."""
        tensors = self._modules()
        for name, parameter in named_parameters(self._parts):
            buffer = self._sgd.state[parameter].get(_BUFFER)
            if buffer is not None:
                tensors[f"{_MOMENTUM}.{name}"] = buffer
        return tensors

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave.

        Args:
            tensors: That, on any device; other names are ignored.
        """
        for part, module in self._parts.items():
            module.load_state_dict(tensors_below(tensors, f"{part}."))
        self._sgd.state.clear()
        for name, parameter in named_parameters(self._parts):
            buffer = tensors.get(f"{_MOMENTUM}.{name}")
            if buffer is not None:  # in the parameter's own memory layout, in which the next step rounds the same
                self._sgd.state[parameter][_BUFFER] = torch.empty_like(parameter).copy_(buffer)

    def expected(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a checkpoint must hold: all modules, and momentum where it has some.

        Args:
            tensors: What it holds.

        Returns:
            Tensors of the right names, shapes and dtypes.
        """
        momentum = {f"{_MOMENTUM}.{name}": parameter for name, parameter in named_parameters(self._parts)}
        return self._modules() | {name: parameter for name, parameter in momentum.items() if name in tensors}

    def _modules(self) -> dict[str, Tensor]:
        return {
            f"{part}.{name}": tensor
            for part, module in self._parts.items()
            for name, tensor in module.state_dict().items()
        }


def named_parameters(parts: Mapping[str, nn.Module]) -> Iterator[tuple[str, nn.Parameter]]:
    """All parameters of several modules as `PART.NAME`."""
    for part, module in parts.items():
        for name, parameter in module.named_parameters():
            yield f"{part}.{name}", parameter


def tensors_below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
