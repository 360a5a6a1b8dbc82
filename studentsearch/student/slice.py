"""From a network and its open gates to the student's spec and weights: the dead go, readers that disagree select."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.constancy import border_of
from studentsearch.graph.dependencies import Indices, mask_of
from studentsearch.graph.liveness import Liveness
from studentsearch.graph.network import Argument, Network, Node, Operation
from studentsearch.graph.operations.table import is_elementwise, is_reader, record_of
from studentsearch.student.constants import bordered_value, folded_value
from studentsearch.student.extents import ExtentsOf
from studentsearch.student.outside import OutsideLayers
from studentsearch.student.shrink import shrunk_operation, shrunk_state
from studentsearch.student.sizes import Size, constant_size, positions
from studentsearch.student.spec import Step, StudentSpec

_PATHLESS = frozenset({"Input", "Concat", "Add", "Output", "Call"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A student: what it is and what it knows."""

    spec: StudentSpec
    tensors: dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Emitted:
    """A step of the student that stands for a node, and which of the node's channels it carries."""

    step: str
    present: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    """A node that is the same numbers at every position, whatever the image."""

    value: Tensor
    present: Indices


def cut(network: Network, alive: Liveness, tensors: Mapping[str, Tensor]) -> Cut:
    """The student that is left when everything dead is removed; computes what the gated network computes, exactly.

    Args:
        network: The traced network.
        alive: What lives, unbatched masks.
        tensors: The network's state with gates folded in, by name.

    Returns:
        The spec and its tensors, names as in the network.
    """
    scissors = _Scissors(network, alive, tensors)
    for node in network.nodes:
        if alive.needed[node.index].any() or node.operation.kind == "Input":
            scissors.emit(node)
    scissors.place_parameters()
    spec = StudentSpec(input_shapes=network.input_shapes, steps=tuple(scissors.steps))
    return Cut(spec=spec, tensors=scissors.tensors)


class _Scissors:
    """Walks the nodes in order and writes the student's steps and tensors."""

    def __init__(self, network: Network, alive: Liveness, tensors: Mapping[str, Tensor]) -> None:
        self._network = network
        self._extents = ExtentsOf(network)
        self._alive = alive
        self._whole = tensors
        self._emitted: dict[int, _Emitted] = {}
        self._folded: dict[int, _Folded] = {}
        self._picked: dict[tuple[str, tuple[int, ...]], str] = {}
        self._materialized: dict[tuple[int, tuple[int, ...]], str] = {}
        self._roots = {node.path.partition(".")[0] for node in network.nodes}
        self._taken = {name for node in network.nodes for name in (node.name, node.path)}
        self._parameters = OutsideLayers(network, tensors)
        self._layers: dict[str, Operation] = {}
        self.steps: list[Step] = []
        self.tensors: dict[str, Tensor] = {}

    def emit(self, node: Node) -> None:
        """Write the steps of one node that is needed."""
        kept = np.flatnonzero(self._alive.needed[node.index])
        if not self._fold(node, kept):
            self._compute(node, kept)

    def _compute(self, node: Node, kept: Indices) -> None:
        match node.operation.kind:
            case "Input":
                self._write(node, node.operation, (), np.arange(node.num_channels))
            case "Concat" if node.operation.integer("axis") == node.axis + 1 and not node.keeps_all:
                self._emit_concat(node)
            case "Select" if node.operation.integer("axis") == node.axis + 1 and not node.keeps_all:
                self._emit_selection(node, kept)
            case "Add":
                self._emit_sum(node, kept)
            case "Constant" if node.operation.arguments.get("border") and node.inputs[0] not in self._emitted:
                value = self._whole[f"{node.path}.value"][torch.from_numpy(kept)]
                self._emit_constant(node, kept, value, node.operation.integers("border"))
            case _ if self._alive.is_bordered(node.index):
                (read,) = self._takes(node, kept)
                value = bordered_value(node, kept, read, self._value(node.inputs[0], read), self._whole)
                self._emit_constant(node, kept, value, border_of(node))
            case _ if is_reader(node):
                read = np.flatnonzero(self._alive.reads[node.index])
                self._emit_layer(node, kept, (self._pick(node.inputs[0], read, node),), read)
            case _:
                self._emit_carrier(node, kept)

    def _emit_carrier(self, node: Node, kept: Indices) -> None:
        """Anything that carries channels: with those that are there where it may, with those needed otherwise."""
        if len(node.inputs) == 1 and self._takes_what_is_there(node):
            (source,) = node.inputs
            emitted = self._emitted[source]
            self._write(
                node, node.operation, (emitted.step,), node.dependencies[0].present(emitted.present, node.num_channels)
            )
            return
        if self._agree(node):
            kept = self._emitted[node.inputs[0]].present
        takes = self._takes(node, kept)
        like = self._like(node, at_every_size=True) if is_elementwise(node.operation) else None
        steps = tuple(
            self._operand(source, channels, node, like) for source, channels in zip(node.inputs, takes, strict=True)
        )
        self._emit_layer(node, kept, steps, takes[0] if takes else None)

    def _takes_what_is_there(self, node: Node) -> bool:
        """Whether the operation does the same to any number of channels and has nothing to shrink."""
        dependency = node.dependencies[0]
        is_plain = node.coupled is None and dependency.takes_one
        has_state = self._has_tensors(node.path)
        record = record_of(node.operation)
        is_sized = record is not None and record.shrinking is not None
        return is_plain and not has_state and not is_sized and node.inputs[0] in self._emitted and not node.keeps_all

    def _agree(self, node: Node) -> bool:
        """Whether several inputs carry the same channels, so that nothing must be picked."""
        inputs = [self._emitted.get(index) for index in node.inputs]
        takes_same = all(dependency.is_identity for dependency in node.dependencies)
        if len(inputs) < 2 or node.coupled is not None or not takes_same:
            return False
        first = inputs[0]
        return first is not None and all(
            item is not None and np.array_equal(item.present, first.present) for item in inputs
        )

    def _emit_layer(self, node: Node, kept: Indices, steps: tuple[str, ...], read: Indices | None) -> None:
        takes = np.zeros(0, dtype=np.int64) if read is None else read
        self._write(node, shrunk_operation(node, kept, takes), steps, kept)
        if node.operation.kind == "Parameter":
            self._parameters.cut_outside(node, kept)
            return
        self._parameters.cut_in_layer(node, kept, takes)
        self.tensors |= shrunk_state(node, kept, takes, self._whole)

    def place_parameters(self) -> None:
        """Store the tensors outside layers, once all layers have theirs."""
        for node, tensor, is_copy in self._parameters.cut_tensors():
            path = self._fresh(node, "_copy")[1] if is_copy else node.path
            self.tensors[path] = tensor
            self.steps = [replace(step, path=path) if step.name == node.name else step for step in self.steps]

    def _write(self, node: Node, operation: Operation, inputs: tuple[str, ...], present: Indices) -> None:
        path = node.path if node.path or operation.kind in _PATHLESS else self._path_of_call(node.name)
        if path and self._layers.setdefault(path, operation) != operation and not self._has_tensors(node.path):
            # A norm without tensors that was called with other numbers of channels: one layer a number.
            path = self._fresh(node, "_again")[1]
        self.steps.append(Step(name=node.name, path=path, operation=operation, inputs=inputs))
        self._emitted[node.index] = _Emitted(step=node.name, present=present)

    def _has_tensors(self, path: str) -> bool:
        """Whether the network's layer at a path has parameters or buffers."""
        return bool(path) and any(name.startswith(f"{path}.") for name in self._whole)

    def _path_of_call(self, name: str) -> str:
        """Where the layer of a functional call stands: at its name, unless the network has something there."""
        number, path = 0, name
        while path in self._roots or (number and path in self._taken):
            number += 1
            path = f"{name}_{number}"
        self._taken.add(path)
        return path

    def _pick(self, source: int, channels: Indices, reader: Node) -> str:
        """The step that carries exactly `channels` of node `source`: its own, or a selection from it."""
        if source in self._folded:
            return self._materialize(source, channels, reader, like=None)
        emitted = self._emitted[source]
        # A constant takes no more than the size.
        if not len(channels) or np.array_equal(emitted.present, channels):
            return emitted.step
        indices = tuple(int(index) for index in np.searchsorted(emitted.present, channels))
        key = (emitted.step, indices)
        if key not in self._picked:
            source_node = self._network.nodes[source]
            ending = "_select" if len(reader.inputs) == 1 else f"_select_{source_node.name}"
            name, path = self._fresh(reader, ending)
            # A tensor outside a layer has no batch, and maybe fewer axes than its reader: counted from the end.
            is_outside = source_node.operation.kind == "Parameter"
            axis = source_node.axis - len(source_node.shape) if is_outside else source_node.axis + 1
            select = Operation(kind="Select", arguments={"channels": indices, "axis": axis})
            self.steps.append(Step(name=name, path=path, operation=select, inputs=(emitted.step,)))
            self._picked[key] = name
        return self._picked[key]

    def _operand(self, source: int, channels: Indices, reader: Node, like: int | None) -> str:
        """An input of an operation that joins tensors: a constant may be one number a channel, to be repeated."""
        node = self._network.nodes[source]
        if source not in self._folded:
            return self._pick(source, channels, reader)
        if like is None or reader.operation.kind == "Output" or not self._extents.is_counted(node):
            return self._materialize(source, channels, reader, like=None)
        key = (source, tuple(channels.tolist()))
        if key not in self._materialized:
            shape = [1] * len(node.shape)
            shape[node.axis] = len(channels)
            name, path = self._fresh(node, "_constant")
            operation = Operation(kind="Parameter", arguments={"shape": tuple(shape), "is_trainable": True})
            self.steps.append(Step(name=name, path=path, operation=operation, inputs=()))
            self.tensors[path] = self._value(source, channels).reshape(shape)
            self._materialized[key] = name
        return self._materialized[key]

    def _materialize(self, source: int, channels: Indices, reader: Node, *, like: int | None) -> str:
        """A constant at every position, sized by a tensor of its size or by the nearest one before it."""
        node = self._network.nodes[source]
        size = Size(anchor=like) if like is not None else self._size(node)
        if size.made_for and not node.unit_macs and node.inputs and node.operation.kind != "Constant":
            # What it is computed from can be sized for pictures of any size, so the operation itself is kept.
            del self._folded[source]
            self._compute(node, np.flatnonzero(self._alive.needed[source]))
            return self._pick(source, channels, reader)
        return self._constant_step(node, self._value(source, channels), size, ())

    def _emit_constant(self, node: Node, kept: Indices, value: Tensor, border: tuple[int, ...]) -> None:
        """The step of a layer whose output is a constant but for its border."""
        step = self._constant_step(node, value, self._size(node), border)
        self._emitted[node.index] = _Emitted(step=step, present=kept)

    def _size(self, node: Node) -> Size:
        """Where a constant has its size from; a layer's best from what it reads, if nothing before that tells it."""
        size = constant_size(self._network, self._extents, node, self._computed)
        if size.made_for and node.unit_macs and node.inputs[0] in self._folded:
            (read,) = self._takes(node, np.flatnonzero(self._alive.needed[node.index]))
            if len(read):
                self._pick(node.inputs[0], read, node)
                size = constant_size(self._network, self._extents, node, self._computed)
        return size

    def _constant_step(self, node: Node, value: Tensor, size: Size, border: tuple[int, ...]) -> str:
        name, path = self._fresh(node, "_constant")
        arguments: dict[str, Argument] = {
            "num_channels": value.shape[0],
            "axis": node.axis + 1,
            "rank": len(node.shape) + 1,
            "like_axis": self._network.nodes[size.anchor].axis + 1,
            "windows": size.windows,
            "sizes": size.sizes,
            "made_for": size.made_for,
            **({"border": border} if border else {}),
        }
        like_step = self._emitted[size.anchor].step
        operation = Operation(kind="Constant", arguments=arguments)
        self.steps.append(Step(name=name, path=path, operation=operation, inputs=(like_step,)))
        self.tensors[f"{path}.value"] = value
        return name

    @property
    def _computed(self) -> frozenset[int]:
        """The nodes that a size can be taken from."""
        return frozenset(index for index in self._emitted if self._network.nodes[index].operation.kind != "Parameter")

    def _fresh(self, node: Node, ending: str) -> tuple[str, str]:
        """A name and a path of a step beside a node's that no other step has, now or later."""
        base = f"{node.name}{ending}", f"{node.path or node.name}{ending}"
        number, fresh = 0, base
        while self._taken & set(fresh):
            number += 1
            fresh = f"{base[0]}_{number}", f"{base[1]}_{number}"
        self._taken |= set(fresh)
        return fresh

    def _value(self, source: int, channels: Indices) -> Tensor:
        folded = self._folded[source]
        return folded.value[torch.from_numpy(np.searchsorted(folded.present, channels))]

    def _fold(self, node: Node, kept: Indices) -> bool:
        """Note the node's numbers where it is a constant that need not be computed."""
        if node.operation.kind in {"Input", "Output", "Parameter"}:
            return False
        if is_reader(node) and self._alive.is_emptied(node.index):
            bias = self._whole.get(f"{node.path}.bias")
            dtype = self._whole[f"{node.path}.weight"].dtype
            own = torch.zeros(len(kept), dtype=dtype) if bias is None else bias[torch.from_numpy(kept)]
            self._folded[node.index] = _Folded(value=own, present=kept)
            return True
        if node.unit_macs and not self._alive.is_constant(node.index):
            return False  # it is counted
        takes = self._takes(node, kept)
        used = [index for index, channels in zip(node.inputs, takes, strict=True) if len(channels)]
        if not used:
            return self._fold_alone(node, kept)
        if not all(index in self._folded for index in used):
            return False
        values = tuple(
            self._value(index, channels) if len(channels) else None
            for index, channels in zip(node.inputs, takes, strict=True)
        )
        value = folded_value(node, kept, tuple(takes), values, self._whole)
        if value is not None:
            self._folded[node.index] = _Folded(value=value, present=kept)
        return value is not None

    def _fold_alone(self, node: Node, kept: Indices) -> bool:
        """Note the numbers of a node that takes no channel: a selection of zeros alone, or a constant."""
        is_constant = node.operation.kind == "Constant"
        if (
            not node.inputs
            or (is_constant and node.inputs[0] in self._emitted)
            or node.operation.arguments.get("border")
        ):
            return False
        dtype = next(tensor.dtype for tensor in self._whole.values() if tensor.is_floating_point())
        value = self._whole.get(f"{node.path}.value", torch.zeros(node.num_channels, dtype=dtype))
        self._folded[node.index] = _Folded(value=value[torch.from_numpy(kept)], present=kept)
        return True

    def _takes(self, node: Node, kept: Indices) -> list[Indices]:
        if is_reader(node):
            return [np.flatnonzero(self._alive.reads[node.index])]
        return [np.flatnonzero(dependency.needed(mask_of(kept, node.num_channels))) for dependency in node.dependencies]

    def _like(self, node: Node, *, at_every_size: bool) -> int | None:
        """An input that is computed from the image and has the node's positions."""
        for source in self._network.sources_of(node):
            is_computed = source.index in self._emitted and source.operation.kind != "Parameter"
            is_alike = (source.axis, positions(source)) == (node.axis, positions(node))
            if is_computed and is_alike and (not at_every_size or self._extents.has_positions(node, source)):
                return source.index
        return None

    def _emit_concat(self, node: Node) -> None:
        parts: list[str] = []
        present: list[Indices] = []
        start = 0
        needed = self._alive.needed[node.index]
        like = self._like(node, at_every_size=False)  # all parts have the same
        for source in node.inputs:
            stop = start + self._network.nodes[source].num_channels
            channels = np.flatnonzero(needed[start:stop])
            if len(channels) and source in self._folded:
                parts.append(self._materialize(source, channels, node, like=like))
                present.append(channels + start)
            elif len(channels):
                parts.append(self._emitted[source].step)
                present.append(self._emitted[source].present + start)
            start = stop
        if len(parts) == 1:
            self._emitted[node.index] = _Emitted(step=parts[0], present=present[0])
        else:
            self._write(node, node.operation, tuple(parts), np.concatenate(present))

    def _emit_selection(self, node: Node, kept: Indices) -> None:
        """A selection of the network is merged with those that its reader needs."""
        channels = np.array(node.operation.integers("channels"), dtype=np.int64)[kept]
        if (channels >= 0).all() and np.all(np.diff(channels) > 0):
            self._emitted[node.index] = _Emitted(step=self._pick(node.inputs[0], channels, node), present=kept)
            return
        if node.inputs[0] in self._folded:
            read = np.unique(channels[channels >= 0])
            emitted = _Emitted(step=self._pick(node.inputs[0], read, node), present=read)
        else:
            emitted = self._emitted[node.inputs[0]]
        places = np.where(channels >= 0, np.searchsorted(emitted.present, channels), -1)
        arguments: dict[str, Argument] = {"channels": tuple(places.tolist()), "axis": node.axis + 1}
        self._write(node, Operation(kind="Select", arguments=arguments), (emitted.step,), kept)

    def _emit_sum(self, node: Node, kept: Indices) -> None:
        """A sum, without the branches that add nothing."""
        rest = [
            index
            for position, index in enumerate(node.inputs)
            if not (index in self._folded and not self._value(index, self._takes(node, kept)[position]).any())
        ]
        alone = self._network.nodes[rest[0]] if len(rest) == 1 else None
        if alone is not None and alone.index in self._emitted and self._extents.are_alike(node, alone):
            self._emitted[node.index] = self._emitted[rest[0]]
            return
        self._emit_carrier(node, kept)
