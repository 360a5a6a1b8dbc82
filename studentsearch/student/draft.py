"""A student while it is written: its steps and tensors, their names, and which channels each step carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from studentsearch.graph.dependencies import Indices
from studentsearch.graph.network import Network, Node, Operation
from studentsearch.student.outside import OutsideLayers
from studentsearch.student.shrink import shrunk_operation, shrunk_state
from studentsearch.student.spec import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted:
    """A step of the student that stands for a node, and which of the node's channels it carries.

    It may carry more than are needed: what several readers read, each a part of it, is there once.
    """

    step: str
    present: Indices


class Draft:
    """The steps that were written, in order.

    Attributes:
        steps: The steps.
        tensors: The student's tensors by name.
        emitted: By node index the step that stands for a node; none for nodes that are dead or folded.
    """

    def __init__(self, network: Network, state: Mapping[str, Tensor]) -> None:
        """Begin with no step.

        Args:
            network: The whole network.
            state: Its tensors with gates folded in, by name.
        """
        self.steps: list[Step] = []
        self.tensors: dict[str, Tensor] = {}
        self.emitted: dict[int, Emitted] = {}
        self._network = network
        self._state = state
        self._selections: dict[tuple[str, tuple[int, ...]], str] = {}
        self._roots = {node.path.partition(".")[0] for node in network.nodes}
        # Names of nodes to come as well: a step made in between must not take one of them.
        self._taken = {name for node in network.nodes for name in (node.name, node.path)}
        self._parameters = OutsideLayers(network, state)
        self._layers: dict[str, Operation] = {}

    def write(self, node: Node, operation: Operation, inputs: tuple[str, ...], present: Indices) -> None:
        """Write the step of a node.

        Args:
            node: The node.
            operation: What the step computes.
            inputs: The steps that it reads.
            present: The node's channels that it carries.
        """
        path = node.path if node.path or not operation.has_path else self._path_of_call(node.name)
        if path and self._layers.setdefault(path, operation) != operation and not self.has_tensors(node.path):
            # A norm without tensors that was called with other numbers of channels: one layer a number.
            path = self._fresh(node, "_again")[1]
        self.steps.append(Step(name=node.name, path=path, operation=operation, inputs=inputs))
        self.emitted[node.index] = Emitted(step=node.name, present=present)

    def write_shrunk(self, node: Node, kept: Indices, inputs: tuple[str, ...], read: Indices) -> None:
        """Write the step of a node for the channels that are left, with its tensors.

        Args:
            node: The node.
            kept: Its channels that are left.
            inputs: The steps that it reads.
            read: Channels (of a reader: input entries) of the first input that are left.
        """
        self.write(node, shrunk_operation(node, kept, read), inputs, kept)
        if node.operation.kind == "Parameter":
            self._parameters.cut_outside(node, kept)
            return
        self._parameters.cut_in_layer(node, kept, read)
        self.tensors |= shrunk_state(node, kept, read, self._state)

    def write_beside(self, node: Node, ending: str, operation: Operation, inputs: tuple[str, ...]) -> Step:
        """Write a step that stands for no node.

        Args:
            node: The node beside whose name and path it is named.
            ending: What is added to these.
            operation: What it computes.
            inputs: The steps that it reads.

        Returns:
            The step.
        """
        name, path = self._fresh(node, ending)
        self.steps.append(Step(name=name, path=path, operation=operation, inputs=inputs))
        return self.steps[-1]

    def selected(self, source: int, channels: Indices, reader: Node) -> str:
        """The step that carries exactly some channels of a node.

        Args:
            source: A node that has a step.
            channels: Its channels, all of them present.
            reader: Who reads them; names the selection, if one is made.

        Returns:
            The node's own step, or a selection from it; readers that agree share one.
        """
        emitted, node = self.emitted[source], self._network.nodes[source]
        # What takes no channel (a constant) takes no more than the size.
        if not len(channels) or np.array_equal(emitted.present, channels):
            return emitted.step
        indices = tuple(int(index) for index in np.searchsorted(emitted.present, channels))
        key = (emitted.step, indices)
        if key not in self._selections:
            ending = "_select" if len(reader.inputs) == 1 else f"_select_{node.name}"
            # A tensor outside a layer has no batch, and maybe fewer axes than its reader: counted from the end.
            axis = node.axis - len(node.shape) if node.operation.kind == "Parameter" else node.axis + 1
            operation = Operation(kind="Select", arguments={"channels": indices, "axis": axis})
            self._selections[key] = self.write_beside(reader, ending, operation, (emitted.step,)).name
        return self._selections[key]

    def agrees(self, node: Node) -> bool:
        """Whether several inputs of a node are there with the same channels, so that nothing must be selected."""
        inputs = [self.emitted.get(index) for index in node.inputs]
        takes_same = all(dependency.is_identity for dependency in node.dependencies)
        if len(inputs) < 2 or node.coupled is not None or not takes_same:
            return False
        first = inputs[0]
        return first is not None and all(
            item is not None and np.array_equal(item.present, first.present) for item in inputs
        )

    def has_tensors(self, path: str) -> bool:
        """Whether the network's layer at a path has parameters or buffers."""
        return bool(path) and any(name.startswith(f"{path}.") for name in self._state)

    def store_parameters(self) -> None:
        """Store the tensors outside layers, once all layers have theirs: only then is known which are shared."""
        for node, tensor, is_copy in self._parameters.cut_tensors():
            path = self._fresh(node, "_copy")[1] if is_copy else node.path
            self.tensors[path] = tensor
            self.steps = [replace(step, path=path) if step.name == node.name else step for step in self.steps]

    def _path_of_call(self, name: str) -> str:
        """Where the layer of a functional call stands: at its name, unless the network has something there."""
        number, path = 0, name
        while path in self._roots or (number and path in self._taken):
            number += 1
            path = f"{name}_{number}"
        self._taken.add(path)
        return path

    def _fresh(self, node: Node, ending: str) -> tuple[str, str]:
        """A name and a path of a step beside a node's that no other step has, now or later."""
        base = f"{node.name}{ending}", f"{node.path or node.name}{ending}"
        number, fresh = 0, base
        while self._taken & set(fresh):
            number += 1
            fresh = f"{base[0]}_{number}", f"{base[1]}_{number}"
        self._taken |= set(fresh)
        return fresh
