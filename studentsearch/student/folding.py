"""The nodes of a cut that are the same numbers at every position, whatever the image: they are not computed."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.dependencies import Indices, mask_of
from studentsearch.graph.liveness import Liveness
from studentsearch.graph.network import Node
from studentsearch.graph.operations.constants import ConstantInputs
from studentsearch.graph.operations.convolution import bordered_value
from studentsearch.graph.operations.table import is_reader, record_of
from studentsearch.student.shrink import shrunk_operation, shrunk_state


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    """The numbers of a node, one for each of its channels that are needed."""

    value: Tensor
    present: Indices


class Folding:
    """Folds nodes in the order of the network, as far as all that they read is folded."""

    def __init__(self, alive: Liveness, state: Mapping[str, Tensor]) -> None:
        """Begin with none.

        Args:
            alive: What lives, unbatched masks.
            state: The network's tensors with gates folded in, by name.
        """
        self._alive = alive
        self._state = state
        self._folded: dict[int, _Folded] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._folded

    def takes(self, node: Node, kept: Indices) -> list[Indices]:
        """For every input of a node the channels (of a reader: entries) that it takes for its own in `kept`."""
        if is_reader(node):
            return [np.flatnonzero(self._alive.reads[node.index])]
        return [np.flatnonzero(dependency.needed(mask_of(kept, node.num_channels))) for dependency in node.dependencies]

    def value(self, index: int, channels: Indices) -> Tensor:
        """The numbers `[len(channels)]` of some channels of a folded node."""
        folded = self._folded[index]
        return folded.value[torch.from_numpy(np.searchsorted(folded.present, channels))]

    def fold(self, node: Node, kept: Indices, computed: Container[int]) -> bool:
        """Note a node's numbers where it is a constant that need not be computed.

        Args:
            node: A node that is needed.
            kept: Its channels that are needed.
            computed: Indices of the nodes that the student computes.

        Returns:
            Whether it is one.
        """
        if node.operation.kind in {"Input", "Output", "Parameter"}:
            return False
        value = self._own_value(node, kept, computed)
        if value is not None:
            self._folded[node.index] = _Folded(value=value, present=kept)
        return value is not None

    def _own_value(self, node: Node, kept: Indices, computed: Container[int]) -> Tensor | None:
        if is_reader(node) and self._alive.is_emptied(node.index):
            # A sum over no inputs: the bias, at the border as well as in the middle.
            bias = self._state.get(f"{node.path}.bias")
            dtype = self._state[f"{node.path}.weight"].dtype
            return torch.zeros(len(kept), dtype=dtype) if bias is None else bias[torch.from_numpy(kept)]
        if node.unit_macs and not self._alive.is_constant(node.index):
            return None  # it is counted, so it must be computed
        takes = self.takes(node, kept)
        used = [index for index, channels in zip(node.inputs, takes, strict=True) if len(channels)]
        if not used:
            return self._value_alone(node, kept, computed)
        if not all(index in self._folded for index in used):
            return None
        record = record_of(node.operation)
        # The channels of a node that keeps all need not be those of its input, however many both have.
        if record is None or node.keeps_all:
            return None
        return record.on_constants.value(self._inputs(node, kept, takes))

    def bordered_value(self, node: Node, kept: Indices) -> Tensor:
        """The numbers of a layer that reads constants through zero padding.

        Args:
            node: One for which `border_of` tells a border.
            kept: Its channels that are needed.

        Returns:
            `[len(kept), 2 b + 1, ...]`, b for every spatial axis the width of the border.
        """
        return bordered_value(self._inputs(node, kept, self.takes(node, kept)))

    def _inputs(self, node: Node, kept: Indices, takes: list[Indices]) -> ConstantInputs:
        own = shrunk_state(node, kept, takes[0], self._state)
        return ConstantInputs(
            node=node,
            operation=shrunk_operation(node, kept, takes[0]),
            tensors={name.rpartition(".")[2]: tensor for name, tensor in own.items()},
            kept=kept,
            takes=tuple(takes),
            values=tuple(
                self.value(index, channels) if len(channels) else None
                for index, channels in zip(node.inputs, takes, strict=True)
            ),
        )

    def _value_alone(self, node: Node, kept: Indices, computed: Container[int]) -> Tensor | None:
        """The numbers of a node that takes no channel: a selection of zeros alone, or a constant."""
        is_sized = node.operation.kind == "Constant" and node.inputs and node.inputs[0] in computed
        if not node.inputs or is_sized or node.operation.arguments.get("border"):
            return None
        dtype = next(tensor.dtype for tensor in self._state.values() if tensor.is_floating_point())
        value = self._state.get(f"{node.path}.value", torch.zeros(node.num_channels, dtype=dtype))
        return value[torch.from_numpy(kept)]
