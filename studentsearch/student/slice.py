"""From a network and its open gates to the student's spec and weights: the dead go, readers that disagree select.

A slice is exact because a closed gate scales a slice of the reader's weight by zero: what is left out adds zero to
every sum, in the middle of an image and at its border, whatever the input is there. A layer that lost all its inputs is
its bias, at the border as well. What reads such a constant through zero padding is not the same everywhere: its border
sees zeros instead of the constant, so it is stored as a constant with a border, or computed again from a constant that
is laid out at full size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.constancy import border_of
from studentsearch.graph.dependencies import Indices
from studentsearch.graph.liveness import Liveness
from studentsearch.graph.network import Argument, Network, Node, Operation
from studentsearch.graph.operations.operation_record import Family
from studentsearch.graph.operations.table import is_elementwise, is_of, is_reader, record_of
from studentsearch.student.draft import Draft, Emitted
from studentsearch.student.extents import ExtentsOf
from studentsearch.student.folding import Folding
from studentsearch.student.sizes import Size, constant_operation, constant_size, positions
from studentsearch.student.spec import StudentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A student: what it is and what it knows."""

    spec: StudentSpec
    tensors: dict[str, Tensor]


def cut(network: Network, alive: Liveness, tensors: Mapping[str, Tensor]) -> Cut:
    """The student that is left when everything dead is removed; computes what the gated network computes, exactly.

    Args:
        network: The traced network.
        alive: What lives, unbatched masks.
        tensors: The network's state with gates folded in, by name.

    Returns:
        The spec and its tensors, names as in the network.
    """
    slicer = _Slicer(network, alive, tensors)
    for node in network.nodes:
        if alive.needed[node.index].any() or node.operation.kind == "Input":
            slicer.emit(node)
    slicer.draft.store_parameters()
    spec = StudentSpec(input_shapes=network.input_shapes, steps=tuple(slicer.draft.steps))
    return Cut(spec=spec, tensors=slicer.draft.tensors)


class _Slicer:
    """Walks the nodes in order and writes the student's steps."""

    def __init__(self, network: Network, alive: Liveness, state: Mapping[str, Tensor]) -> None:
        self.draft = Draft(network, state)
        self._network = network
        self._extents = ExtentsOf(network)
        self._alive = alive
        self._state = state
        self._folding = Folding(alive, state)
        self._repeated: dict[tuple[int, tuple[int, ...]], str] = {}

    def emit(self, node: Node) -> None:
        """Write the steps of one node that is needed."""
        kept = np.flatnonzero(self._alive.needed[node.index])
        if not self._folding.fold(node, kept, self.draft.emitted):
            self._compute(node, kept)

    def _compute(self, node: Node, kept: Indices) -> None:
        match node.operation.kind:
            case "Input":
                self.draft.write(node, node.operation, (), np.arange(node.num_channels))
            case "Concat" if node.operation.integer("axis") == node.axis + 1 and not node.keeps_all:
                self._emit_concat(node)
            case "Select" if node.operation.integer("axis") == node.axis + 1 and not node.keeps_all:
                self._emit_selection(node, kept)
            case "Add":
                self._emit_sum(node, kept)
            case "Constant" if node.operation.arguments.get("border") and node.inputs[0] not in self.draft.emitted:
                value = self._state[f"{node.path}.value"][torch.from_numpy(kept)]
                self._emit_constant(node, kept, value, node.operation.integers("border"))
            case _ if self._alive.is_bordered(node.index):
                self._emit_constant(node, kept, self._folding.bordered_value(node, kept), border_of(node))
            case _ if is_reader(node):
                read = np.flatnonzero(self._alive.reads[node.index])
                self.draft.write_shrunk(node, kept, (self._pick(node.inputs[0], read, node),), read)
            case _:
                self._emit_carrier(node, kept)

    def _emit_carrier(self, node: Node, kept: Indices) -> None:
        """Anything that carries channels: with those that are there where it may, with those needed otherwise."""
        # Channels that are there beside those needed are carried along: selecting costs time, computing a few channels
        # more of what has no weights costs no multiply-accumulates, and the next reader selects anyway.
        if len(node.inputs) == 1 and self._takes_what_is_there(node):
            (source,) = node.inputs
            emitted = self.draft.emitted[source]
            present = node.dependencies[0].present(emitted.present, node.num_channels)
            self.draft.write(node, node.operation, (emitted.step,), present)
            return
        if self.draft.agrees(node):
            kept = self.draft.emitted[node.inputs[0]].present
        takes = self._folding.takes(node, kept)
        like = self._like(node, at_every_size=True) if is_elementwise(node.operation) else None
        pairs = zip(node.inputs, takes, strict=True)
        steps = tuple(self._operand(source, channels, node, like) for source, channels in pairs)
        self.draft.write_shrunk(node, kept, steps, takes[0] if takes else np.zeros(0, dtype=np.int64))

    def _takes_what_is_there(self, node: Node) -> bool:
        """Whether the operation does the same to any number of channels and has nothing to shrink."""
        record = record_of(node.operation)
        is_sized = record is not None and record.shrinking is not None
        is_plain = node.coupled is None and node.dependencies[0].takes_one and not node.keeps_all
        is_computed = node.inputs[0] in self.draft.emitted
        return is_plain and not self.draft.has_tensors(node.path) and not is_sized and is_computed

    def _pick(self, source: int, channels: Indices, reader: Node) -> str:
        """The step that carries exactly `channels` of node `source`."""
        if self._is_unwritten(source):
            return self._materialize(source, channels, reader, like=None)
        return self.draft.selected(source, channels, reader)

    def _operand(self, source: int, channels: Indices, reader: Node, like: int | None) -> str:
        """An input of an operation that joins tensors: a constant may be one number a channel, to be repeated."""
        node = self._network.nodes[source]
        if not self._is_unwritten(source):
            return self.draft.selected(source, channels, reader)
        if like is None or reader.operation.kind == "Output" or not self._extents.is_counted(node):
            return self._materialize(source, channels, reader, like=None)
        key = (source, tuple(channels.tolist()))
        if key not in self._repeated:
            shape = [1] * len(node.shape)
            shape[node.axis] = len(channels)
            operation = Operation(kind="Parameter", arguments={"shape": tuple(shape), "is_trainable": True})
            step = self.draft.write_beside(node, "_constant", operation, ())
            self.draft.tensors[step.path] = self._folding.value(source, channels).reshape(shape)
            self._repeated[key] = step.name
        return self._repeated[key]

    def _materialize(self, source: int, channels: Indices, reader: Node, *, like: int | None) -> str:
        """A constant at every position, sized by a tensor of its size or by the nearest one before it."""
        node = self._network.nodes[source]
        size = Size(anchor=like) if like is not None else self._size(node)
        if size.made_for and not node.unit_macs and node.inputs and node.operation.kind != "Constant":
            # What it is computed from can be sized for images of any size, so the operation itself is kept. Its numbers
            # stay known to other readers.
            self._compute(node, np.flatnonzero(self._alive.needed[source]))
            return self._pick(source, channels, reader)
        return self._constant_step(node, self._folding.value(source, channels), size, ())

    def _emit_constant(self, node: Node, kept: Indices, value: Tensor, border: tuple[int, ...]) -> None:
        """The step of a layer whose output is a constant but for its border."""
        step = self._constant_step(node, value, self._size(node), border)
        self.draft.emitted[node.index] = Emitted(step=step, present=kept)

    def _size(self, node: Node) -> Size:
        """Where a constant has its size from; a layer's best from what it reads, if nothing before that tells it."""
        size = constant_size(self._network, self._extents, node, self._computed)
        if size.made_for and node.unit_macs and node.inputs[0] in self._folding:
            (read,) = self._folding.takes(node, np.flatnonzero(self._alive.needed[node.index]))
            if len(read):
                # Lays out what the layer reads, which then counts as computed and tells the size.
                self._pick(node.inputs[0], read, node)
                size = constant_size(self._network, self._extents, node, self._computed)
        return size

    def _constant_step(self, node: Node, value: Tensor, size: Size, border: tuple[int, ...]) -> str:
        like_axis = self._network.nodes[size.anchor].axis + 1
        operation = constant_operation(node, size, num_channels=value.shape[0], like_axis=like_axis, border=border)
        step = self.draft.write_beside(node, "_constant", operation, (self.draft.emitted[size.anchor].step,))
        self.draft.tensors[f"{step.path}.value"] = value
        return step.name

    @property
    def _computed(self) -> frozenset[int]:
        """The nodes that a size can be taken from."""
        return frozenset(index for index in self.draft.emitted if self._gives_size(self._network.nodes[index]))

    def _gives_size(self, node: Node) -> bool:
        """Whether a node is computed and of floating-point numbers, whose type a constant takes as well."""
        is_number = node.operation.kind != "Parameter" and not is_of(node.operation, Family.COMPARISON)
        return node.index in self.draft.emitted and is_number

    def _is_unwritten(self, source: int) -> bool:
        """Whether a node is known numbers that no step carries."""
        return source in self._folding and source not in self.draft.emitted

    def _like(self, node: Node, *, at_every_size: bool) -> int | None:
        """An input that is computed from the image and has the node's positions."""
        for source in filter(self._gives_size, self._network.sources_of(node)):
            is_alike = (source.axis, positions(source)) == (node.axis, positions(node))
            if is_alike and (not at_every_size or self._extents.has_positions(node, source)):
                return source.index
        return None

    def _emit_concat(self, node: Node) -> None:
        """A concatenation of what is there of its parts; parts of which nothing is needed are left out."""
        parts: list[str] = []
        present: list[Indices] = []
        start = 0
        needed = self._alive.needed[node.index]
        like = self._like(node, at_every_size=False)  # all parts have the same
        for source in node.inputs:
            stop = start + self._network.nodes[source].num_channels
            channels = np.flatnonzero(needed[start:stop])
            if len(channels) and self._is_unwritten(source):
                parts.append(self._materialize(source, channels, node, like=like))
                present.append(channels + start)
            elif len(channels):
                parts.append(self.draft.emitted[source].step)
                present.append(self.draft.emitted[source].present + start)
            start = stop
        if len(parts) == 1:
            self.draft.emitted[node.index] = Emitted(step=parts[0], present=present[0])
        else:
            self.draft.write(node, node.operation, tuple(parts), np.concatenate(present))

    def _emit_selection(self, node: Node, kept: Indices) -> None:
        """A selection of the network is merged with those that its reader needs."""
        channels = np.array(node.operation.integers("channels"), dtype=np.int64)[kept]
        if (channels >= 0).all() and np.all(np.diff(channels) > 0):
            step = self._pick(node.inputs[0], channels, node)
            self.draft.emitted[node.index] = Emitted(step=step, present=kept)
            return
        if self._is_unwritten(node.inputs[0]):
            read = np.unique(channels[channels >= 0])
            emitted = Emitted(step=self._pick(node.inputs[0], read, node), present=read)
        else:
            emitted = self.draft.emitted[node.inputs[0]]
        indices = np.where(channels >= 0, np.searchsorted(emitted.present, channels), -1)
        arguments: dict[str, Argument] = {"channels": tuple(indices.tolist()), "axis": node.axis + 1}
        self.draft.write(node, Operation(kind="Select", arguments=arguments), (emitted.step,), kept)

    def _emit_sum(self, node: Node, kept: Indices) -> None:
        """A sum, without the branches that add nothing."""
        takes = self._folding.takes(node, kept)
        terms = [
            index
            for index, channels in zip(node.inputs, takes, strict=True)
            if not (index in self._folding and not self._folding.value(index, channels).any())
        ]
        alone = self._network.nodes[terms[0]] if len(terms) == 1 else None
        # A term that is repeated along an axis is smaller than the sum, so it cannot stand for it.
        if alone is not None and alone.index in self.draft.emitted and self._extents.are_alike(node, alone):
            self.draft.emitted[node.index] = self.draft.emitted[alone.index]
            return
        self._emit_carrier(node, kept)
