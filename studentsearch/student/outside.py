"""Tensors that stand outside a layer: a layer or another operation may read the same one, cut to other channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from studentsearch.graph.dependencies import Indices
from studentsearch.graph.network import Network, Node
from studentsearch.student.shrink import shrunk_state


class OutsideLayers:
    """What a cut leaves of each of them.

    A tensor that is cut to the same entries everywhere stays one tensor. Where its readers keep different channels, or
    have their channels along different axes, each gets its own copy.
    """

    def __init__(self, network: Network, tensors: Mapping[str, Tensor]) -> None:
        """Begin with nothing cut.

        Args:
            network: The whole network.
            tensors: Its state by name.
        """
        self._tensors = tensors
        paths = {node.path for node in network.nodes if node.operation.kind == "Parameter"}
        # Entries are numbered, so that two cuts can be told apart whatever the values.
        self._numbers = {
            path: torch.arange(tensors[path].numel()).view(tensors[path].shape) for path in paths if path in tensors
        }
        self._cut: dict[str, Tensor] = {}
        self._nodes: list[tuple[Node, Tensor]] = []

    def cut_in_layer(self, node: Node, kept: Indices, read: Indices) -> None:
        """Note what a layer keeps of a tensor that an operation reads as well.

        Args:
            node: A layer.
            kept: Output channels that are left.
            read: Input entries that are left.
        """
        if self._numbers and node.path:
            self._cut |= shrunk_state(node, kept, read, self._numbers)

    def cut_outside(self, node: Node, kept: Indices) -> None:
        """Note what an operation keeps.

        Args:
            node: A `Parameter`.
            kept: Its channels that are left.
        """
        (entries,) = shrunk_state(node, kept, kept, self._numbers).values()
        self._nodes.append((node, entries))

    def cut_tensors(self) -> Iterator[tuple[Node, Tensor, bool]]:
        """What is left of the tensors that operations read.

        Yields:
            The node, its tensor, and whether that is a copy of its own beside one of the same path.
        """
        for node, entries in self._nodes:
            known = self._cut.setdefault(node.path, entries)
            values = self._tensors[node.path].flatten()[entries.flatten()].view(entries.shape)
            yield node, values, not torch.equal(known, entries)
