"""The gates' optimizer: a thin shell that holds the proximal state and the gates' weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from studentsearch.errors import RunFolderError, UsageError
from studentsearch.search.prox import ProximalRule, ProximalState, initial_state, proximal_step


class GateOptimizer:
    """Moves all gates of a search by one proximal step at a time."""

    def __init__(self, gates: Tensor, weights: Tensor, rule: ProximalRule) -> None:
        """Start at rest.

        Args:
            gates: `[G]`, where the gates start (1 in a search); copied.
            weights: `[G]`, a_j: each gate's share in the penalty, >= 0.
            rule: Step size, momentum and sign.
        """
        assert gates.dim() == 1, gates.shape
        assert gates.shape == weights.shape, (gates.shape, weights.shape)
        self.rule = rule
        self.weights = weights.detach().to(gates)
        self._state = initial_state(gates)

    @property
    def look_ahead(self) -> Tensor:
        """The gates `[G]` that the forward pass uses."""
        return self._state.look_ahead

    @property
    def iterate(self) -> Tensor:
        """The gates `[G]` that are counted, cut and folded; closed where exactly 0."""
        return self._state.iterate

    @property
    def num_steps(self) -> int:
        """The number of steps taken."""
        return self._state.step

    @torch.no_grad()
    def step(self, gradient: Tensor, penalty: float) -> None:
        """Take one proximal step.

        Args:
            gradient: `[G]`, of the data term at `look_ahead`.
            penalty: lambda_2 at this step, >= 0.

        Raises:
            UsageError: If the penalty is negative or not finite; 1e-3 is the published value.
        """
        assert gradient.shape == self.look_ahead.shape, (gradient.shape, self.look_ahead.shape)
        if not (math.isfinite(penalty) and penalty >= 0):
            raise UsageError(
                f"found penalty {penalty}; expected a finite number of 0 or more; 1e-3 is the published value"
            )
        self._state = proximal_step(self._state, gradient.to(self.look_ahead.dtype), self.weights * penalty, self.rule)

    @torch.no_grad()
    def reopen(self, indices: Tensor, values: Tensor) -> None:
        """Put some gates back, at rest, as when a layer must not lose its last input.

        Args:
            indices: `[K]`, int64.
            values: `[G]`, what all gates would be put back to; only those at `indices` are.
        """
        if not len(indices):
            return
        iterate, look_ahead, velocity = (
            self._state.iterate.clone(),
            self._state.look_ahead.clone(),
            self._state.velocity.clone(),
        )
        iterate[indices] = look_ahead[indices] = values[indices]
        velocity[indices] = 0
        self._state = ProximalState(look_ahead=look_ahead, iterate=iterate, velocity=velocity, step=self._state.step)

    def state_dict(self) -> dict[str, Tensor]:
        """What moves, as plain tensors that share no memory.

        Returns:
            look_ahead, iterate and velocity `[G]`, and step (int64 scalar).
        """
        return {
            "look_ahead": self._state.look_ahead,
            "iterate": self._state.iterate,
            "velocity": self._state.velocity,
            "step": torch.tensor(self._state.step, dtype=torch.int64),
        }

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what `state_dict` returned, bit for bit; the tensors are copied.

        Args:
            tensors: The four entries of `state_dict`, on any device.

        Raises:
            RunFolderError: If an entry is missing, unknown, or of another shape or dtype; continue the run that
                wrote the checkpoint, with its teacher.
        """
        expected = self.state_dict()
        found_form = {name: (list(tensor.shape), tensor.dtype) for name, tensor in sorted(tensors.items())}
        expected_form = {name: (list(tensor.shape), tensor.dtype) for name, tensor in sorted(expected.items())}
        if found_form != expected_form:
            raise RunFolderError(
                f"found gate state {found_form}; expected {expected_form}; continue with the teacher of that run"
            )
        device = self.look_ahead.device
        self._state = ProximalState(
            look_ahead=tensors["look_ahead"].detach().to(device, copy=True),
            iterate=tensors["iterate"].detach().to(device, copy=True),
            velocity=tensors["velocity"].detach().to(device, copy=True),
            step=int(tensors["step"]),
        )
