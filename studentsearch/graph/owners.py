"""Whose each tensor of a traced network is: layers may share all of their tensors or none."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError

_COMPUTED_ROLES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def tensors_of_layer(module: nn.Module) -> Mapping[str, Tensor]:
    """The tensors that a layer computes with, by role.

    Args:
        module: A layer; a parametrization of it is read as the weight that it computes.

    Returns:
        The very tensors, not detached.
    """
    state = dict(module.state_dict(keep_vars=True).items())
    if not any(".parametrizations." in f".{name}" for name in state):
        return state
    return {role: tensor for role in _COMPUTED_ROLES if isinstance(tensor := getattr(module, role, None), Tensor)}


class Owners:
    """The tensors of a network under the names that its layers give them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.state: dict[str, Tensor] = {}
        self._paths: dict[tuple[int, ...], str] = {}
        self._taken: set[int] = set()
        # Weights that a parametrization computes would be freed, and their ids given to others.
        self._held: list[Tensor] = []

    def layer(self, path: str, tensors: Mapping[str, Tensor]) -> str:
        """Note the tensors of a layer.

        Args:
            path: Where it stands.
            tensors: Its tensors by role.

        Returns:
            The path under which they are kept: an earlier layer's where that has the very same.

        Raises:
            UnsupportedGraphError: Another layer has some of them.
        """
        self._held += tensors.values()
        key = tuple(id(tensor) for tensor in tensors.values())
        if key and key in self._paths:
            return self._paths[key]
        shared = {id(tensor) for tensor in tensors.values() if tensor.is_floating_point()}
        if shared & self._taken:
            raise UnsupportedGraphError(
                f"{path}: shares one of its tensors with another layer; expected layers that share all or none; "
                "give it a copy of its own"
            )
        if key:
            self._paths[key] = path
        self._taken |= shared
        self.state |= {f"{path}.{role}": tensor.detach() for role, tensor in tensors.items()}
        return path

    def parameter(self, name: str, tensor: Tensor) -> None:
        """Note a tensor that stands outside a layer.

        Args:
            name: Its path; once is enough.
            tensor: Any shape.
        """
        self.state.setdefault(name, tensor.detach())
