"""The graph of a forward pass while it is recorded: which node each tensor of the forward stands for at the moment.

A forward is ordinary Python, which may write into its tensors in place. The graph has no such writes: a write makes a
new node, and the tensor stands for that one from then on.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from torch import Tensor, fx
from torch.fx.node import Argument

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.recording.calls import Call, append, map_leaves, tensors_in
from studentsearch.graph.recording.constants import Constants
from studentsearch.graph.recording.source_locations import SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """A tensor of the forward and the node that it stands for.

    Attributes:
        tensor: What the forward holds. Kept, since Python gives the id of a tensor that is gone to the next one.
        node: The call that made its present value.
        version: torch's count of in-place writes to its memory when `node` was noted. All views of one memory share the
            count, so a write through any of them shows on all: a tensor whose count has moved on holds other values
            than its node, and reading it would record the old ones.
    """

    tensor: Tensor
    node: fx.Node
    version: int


class RecordedGraph:
    """Nodes, and the tensors that stand for them."""

    def __init__(self, constants: Constants, location: SourceLocation) -> None:
        """Begin with no node.

        Args:
            constants: The tensors that depend on no image.
            location: What runs at the moment.
        """
        self.graph = fx.Graph()
        self.tensors: dict[str, Tensor] = {}
        self._constants = constants
        self._location = location
        self._results: dict[int, _Result] = {}
        self._attributes: dict[int, _Result] = {}
        # Where each memory was last written to in place, for the message about a later read.
        self._written: dict[int, str] = {}

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._results

    def placeholder(self, name: str, value: Tensor) -> None:
        """Note an input."""
        self._bind(self.graph.placeholder(name), value)

    def output(self, result: object) -> None:
        """Note what the forward returns."""
        self._note(self.graph.output(cast("Argument", map_leaves(self.node_of, result))), result)

    def add(self, symbolic: Call, result: object) -> None:
        """Note a call.

        Args:
            symbolic: The call on nodes.
            result: What it gave, with at least one tensor.

        Raises:
            UnsupportedGraphError: An in-place call without a form that makes a new tensor.
        """
        node = append(self.graph, symbolic)
        if node is None:
            raise self._location.unsupported(
                f"{symbolic.name} has no form that makes a new tensor", "write it without in-place"
            )
        self._bind(node, result)

    def alias(self, tensor: Tensor, node: fx.Node) -> None:
        """Let a tensor stand for the present value of another (a clone, a detached tensor)."""
        self._results[id(tensor)] = _Result(tensor=tensor, node=node, version=tensor._version)

    def note_writes(self, call: Call, versions: list[int]) -> None:
        """Remember where a call wrote in place.

        Args:
            call: A call that has run.
            versions: The counts of its tensors before it ran.
        """
        for tensor, version in zip(call.tensors, versions, strict=True):
            if tensor._version != version:
                self._written[tensor.untyped_storage()._cdata] = str(self._location)

    def node_of(self, leaf: object) -> object:
        """The node of a tensor's present value; anything else as it is.

        Args:
            leaf: Of an argument of a call.

        Returns:
            The node.

        Raises:
            UnsupportedGraphError: The tensor was written to in place, through itself or a view, since it was noted.
        """
        if not isinstance(leaf, Tensor):
            return leaf
        result = self._results.get(id(leaf))
        if result is None:
            return self._attribute(leaf)
        if result.version != leaf._version:
            location = self._written.get(leaf.untyped_storage()._cdata, str(self._location))
            raise UnsupportedGraphError(
                f"{location}: changes {result.node.name} or a view of it in place, which is read afterwards; "
                "write the change without in-place"
            )
        return result.node

    def _attribute(self, meta: Tensor) -> fx.Node:
        """The one node that reads a constant."""
        known = self._constants.real(meta)
        if id(meta) not in self._attributes:
            name = self._constants.name(meta, self._location.path)
            # What the forward may still write to is read as it is now.
            self.tensors[name] = known if self._constants.is_own(meta) else known.clone()
            node = self.graph.create_node("get_attr", name)
            self._note(node, meta)
            self._attributes[id(meta)] = _Result(tensor=meta, node=node, version=known._version)
        read = self._attributes[id(meta)]
        # The count of the real tensor: calls on constants alone are computed on that one, not on its stand-in.
        if read.version != known._version:
            raise self._location.unsupported(
                f"{read.node.target} was changed in place after it was used", "make a new tensor for each use"
            )
        return read.node

    def _bind(self, node: fx.Node, value: object) -> None:
        """Let a call's result stand for its node, and what is in a tuple, list or dict for the items of it."""
        self._note(node, value)
        if isinstance(value, Tensor):
            self.alias(value, node)
            return
        assert isinstance(value, (tuple, list, Mapping))
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            if next(tensors_in(item), None) is not None:
                self._bind(self.graph.call_function(operator.getitem, (node, key)), item)

    def _note(self, node: fx.Node, value: object) -> None:
        # A view of its own for the node, since a later in-place call may change the shape of the tensor itself.
        value = map_leaves(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, value)
        node.meta.update(value=value, path=self._location.path, line=self._location.line)
