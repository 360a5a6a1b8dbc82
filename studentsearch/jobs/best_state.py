"""The state of a training that was best on the held-out images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from studentsearch.engine.training_state import tensors_below

_PREFIX = "best."


class BestState:
    """Parameters and buffers of the modules of a training where its held-out accuracy was largest."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        """Start without one.

        Args:
            parts: The modules by name.
        """
        self._parts = dict(parts)
        self.forget()

    def forget(self) -> None:
        """Go back to having none."""
        self.accuracy, self.step = -1.0, 0
        self.states: dict[str, dict[str, Tensor]] = {}

    def consider(self, accuracy: float, step: int) -> None:
        """Keep a copy of the modules where they are the best so far; the later of equals.

        Args:
            accuracy: On the held-out images, in percent.
            step: Steps taken.
        """
        if accuracy >= self.accuracy:
            self.accuracy, self.step = accuracy, step
            self.states = {part: copied_state(module) for part, module in self._parts.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """`best.PART.NAME`, where there is a best state."""
        return {
            f"{_PREFIX}{part}.{name}": tensor for part, state in self.states.items() for name, tensor in state.items()
        }

    def load_state_dict(self, tensors: Mapping[str, Tensor], *, accuracy: float, step: int) -> None:
        """Go on from what `state_dict` gave.

        Args:
            tensors: That, among others.
            accuracy: Of the best state; below 0 where there is none.
            step: Its number.
        """
        self.accuracy, self.step = accuracy, step
        if not _has_best(tensors):
            return
        for part, module in self._parts.items():
            state, layout = tensors_below(tensors, f"{_PREFIX}{part}."), module.state_dict()
            # In the module's own memory layout: kernels of another one round otherwise where a student is checked.
            self.states[part] = {
                name: torch.empty_like(layout[name], device="cpu").copy_(tensor) for name, tensor in state.items()
            }

    def expected(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a checkpoint must hold beside the moving state; nothing where it has no best state."""
        if not _has_best(tensors):
            return {}
        return {
            f"{_PREFIX}{part}.{name}": tensor
            for part, module in self._parts.items()
            for name, tensor in module.state_dict().items()
        }


def copied_state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, copied to the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def _has_best(tensors: Mapping[str, Tensor]) -> bool:
    return any(name.startswith(_PREFIX) for name in tensors)
