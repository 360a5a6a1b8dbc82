"""Whose each tensor of a traced network is: layers may share all of their tensors or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.dependencies import all_of
from studentsearch.graph.network import Argument, Node, Operation
from studentsearch.graph.operations.table import is_reader

TENSOR_ROLES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
"""What the layers of torch.nn that may be cut call their tensors."""
_NOT_IN_EVALUATION = frozenset({"momentum", "bias"})  # whether there is a bias is told by the tensors
_DEFAULTS: Mapping[str, Argument] = {"padding_mode": "zeros"}  # arguments that a functional call cannot have


def tensors_of_layer(module: nn.Module) -> Mapping[str, Tensor]:
    """The tensors that a layer computes with, by role.

    Args:
        module: A layer; a weight that weight norm, spectral norm or a parametrization computes is read as it is.

    Returns:
        The very tensors, not detached.
    """
    state = dict(module.state_dict(keep_vars=True).items())
    computed: dict[str, Tensor] = {}
    for hook in module._forward_pre_hooks.values():
        # What torch.nn.utils computed before it had parametrizations; as in evaluation.
        if isinstance(hook, WeightNorm):
            computed[hook.name] = hook.compute_weight(module)
        elif isinstance(hook, SpectralNorm):
            computed[hook.name] = hook.compute_weight(module, do_power_iteration=False)
    if not computed and not any(".parametrizations." in f".{name}" for name in state):
        return state
    found = {role: computed.get(role, getattr(module, role, None)) for role in TENSOR_ROLES}
    return {role: tensor for role, tensor in found.items() if isinstance(tensor, Tensor)}


class Owners:
    """The tensors of a network under the names that its layers give them."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        """Begin with none.

        Args:
            names: Names of tensors and paths of modules that no layer of a functional call may stand at.
        """
        self.state: dict[str, Tensor] = {}
        self._paths: dict[frozenset[tuple[str, int]], str] = {}
        self._operations: dict[str, Operation] = {}
        self._names: dict[int, str] = {}
        self._own_names = frozenset(names)
        # Weights that a parametrization computes would be freed, and their ids given to others.
        self._held: list[Tensor] = []

    def layer(self, path: str, tensors: Mapping[str, Tensor], operation: Operation) -> str:
        """Note the tensors of a layer.

        Args:
            path: Where it stands.
            tensors: Its tensors by role.
            operation: What it computes with them.

        Returns:
            The path under which they are kept: an earlier layer's where that has the very same.

        Raises:
            UnsupportedGraphError: Another layer has some of them, or all of them and other arguments.
        """
        floating = {role: tensor for role, tensor in tensors.items() if tensor.is_floating_point()}
        key = frozenset((role, id(tensor)) for role, tensor in floating.items())
        if key and key in self._paths:
            _refuse_other_arguments(path, operation, self._operations[self._paths[key]])
            return self._paths[key]
        shared = next((self._names[id(tensor)] for tensor in floating.values() if id(tensor) in self._names), None)
        if shared is not None:
            raise UnsupportedGraphError(
                f"{path}: shares one of its tensors with another layer ({shared}); expected layers that share all or "
                "none; give it a copy of its own"
            )
        self._held += tensors.values()
        self._operations[path] = operation
        if key:
            self._paths[key] = path
        for role, tensor in tensors.items():
            self._names.setdefault(id(tensor), f"{path}.{role}")
            self.state[f"{path}.{role}"] = tensor.detach()
        return path

    def path_of_call(self, names: Mapping[str, str]) -> str:
        """Where the layer of a functional call stands: with its tensors, best where a layer would have them.

        Args:
            names: Names of its tensors by role.

        Returns:
            A path at which no other layer stands.
        """
        role, main = min(names.items(), key=lambda item: (item[0] != "weight", item[0] != "running_mean"))
        home = main.removesuffix(f".{role}")
        # Beside a tensor of another role the layer would take it for its own.
        beside = {f"{home}.{other}" for other in TENSOR_ROLES} - set(names.values())
        if beside.isdisjoint(self._own_names) and not self._is_taken(home):
            return home
        return next(
            path for number in count(2) if not (self._is_taken(path := f"{main}_{number}") or path in self._own_names)
        )

    def _is_taken(self, path: str) -> bool:
        return path in self._operations or path in self.state

    def parameter(self, name: str, tensor: Tensor) -> None:
        """Note a tensor that stands outside a layer.

        Args:
            name: Its path; once is enough.
            tensor: Any shape.
        """
        self._held.append(tensor)
        self.state.setdefault(name, tensor.detach())

    def settled(self, nodes: Sequence[Node], tensors: Mapping[str, Tensor]) -> tuple[Node, ...]:
        """The nodes of a network, tensors that a layer and an operation share under the layer's name alone.

        A gate scales the weight of its reader; where an operation reads that weight as well the gate would change more
        than the layer's input, so such a layer keeps all channels.

        Args:
            nodes: All nodes, in order.
            tensors: What stands outside a layer, by the paths of its nodes.

        Returns:
            The same nodes, changed where they share.
        """
        owned = {
            node.path: self._names[id(tensors[node.path])]
            for node in nodes
            if node.operation.kind == "Parameter" and id(tensors[node.path]) in self._names
        }
        for name in owned.keys() - set(owned.values()):
            self.state.pop(name, None)
        read = set(owned.values())
        return tuple(_settled(node, nodes, owned, read) for node in nodes)


def _settled(node: Node, nodes: Sequence[Node], owned: Mapping[str, str], read: set[str]) -> Node:
    if node.operation.kind == "Parameter":
        return replace(node, path=owned.get(node.path, node.path))
    if not (is_reader(node) and f"{node.path}.weight" in read):
        return node
    num_inputs = nodes[node.inputs[0]].num_channels
    return replace(
        node,
        dependencies=(all_of(num_inputs, node.num_channels),),
        coupled=np.zeros(node.num_channels, dtype=np.int64),
        unit_macs=node.unit_macs * num_inputs,
        keeps_all="an operation reads its weight as well",
    )


def _refuse_other_arguments(path: str, operation: Operation, other: Operation) -> None:
    """Refuse two calls on the same tensors that compute differently."""
    first, second = operation.arguments, other.arguments
    for name in sorted(first.keys() | second.keys()):
        one, two = (given.get(name, _DEFAULTS.get(name)) for given in (first, second))
        is_told = (name in first and name in second) or name in _DEFAULTS
        if operation.kind != other.kind or (is_told and name not in _NOT_IN_EVALUATION and one != two):
            raise UnsupportedGraphError(
                f"{path}: its tensors are those of another layer, which computes otherwise ({name} {two} here, {one} "
                "there); expected one layer that is called twice; give it a copy of its own"
            )
