"""From a network and its open gates to the student's spec and weights: the dead go, readers that disagree select."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.liveness import Liveness
from studentsearch.graph.network import Argument, Network, Node, Operation
from studentsearch.graph.rules import NORMS, Indices, carried_channels, is_depthwise, is_reader, is_whole
from studentsearch.student.spec import Step, StudentSpec

_WIDER_THAN_PICTURES = 2**20


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
    spec = StudentSpec(input_shape=network.input_shape, steps=tuple(scissors.steps))
    return Cut(spec=spec, tensors=scissors.tensors)


class _Scissors:
    """Walks the nodes in order and writes the student's steps and tensors."""

    def __init__(self, network: Network, alive: Liveness, tensors: Mapping[str, Tensor]) -> None:
        self._network = network
        self._alive = alive
        self._whole = tensors
        self._emitted: dict[int, _Emitted] = {}
        self._picked: dict[tuple[str, tuple[int, ...]], str] = {}
        self.steps: list[Step] = []
        self.tensors: dict[str, Tensor] = {}

    def emit(self, node: Node) -> None:
        """Write the steps of one node that is needed."""
        if is_reader(node):
            self._emit_reader(node)
        elif node.operation.kind == "Input":
            self._write(node, node.operation, (), np.arange(node.num_channels))
        elif node.operation.kind == "Concat":
            self._emit_concat(node)
        elif node.operation.kind == "Select":
            self._emit_selection(node)
        elif node.operation.kind == "Constant":
            self._emit_constant(node, np.flatnonzero(self._alive.needed[node.index]))
        elif node.operation.kind in NORMS or is_depthwise(node):
            self._emit_per_channel(node)
        elif node.operation.kind in {"Add", "Output"}:
            kept = np.flatnonzero(self._alive.needed[node.index])
            self._write(node, node.operation, tuple(self._pick(source, kept, node) for source in node.inputs), kept)
        else:
            source = self._emitted[node.inputs[0]]
            is_present = np.zeros(self._network.nodes[node.inputs[0]].num_channels, dtype=np.int64)
            is_present[source.present] = 1
            present = np.flatnonzero(carried_channels(self._network, node, (is_present,)))
            self._write(node, node.operation, (source.step,), present)

    def _write(self, node: Node, operation: Operation, inputs: tuple[str, ...], present: Indices) -> None:
        path = node.path if node.path or operation.kind in {"Input", "Concat", "Add", "Output"} else node.name
        self.steps.append(Step(name=node.name, path=path, operation=operation, inputs=inputs))
        self._emitted[node.index] = _Emitted(step=node.name, present=present)

    def _pick(self, source: int, channels: Indices, reader: Node) -> str:
        """The step that carries exactly `channels` of node `source`: its own, or a selection from it."""
        emitted = self._emitted[source]
        if np.array_equal(emitted.present, channels):
            return emitted.step
        indices = tuple(int(index) for index in np.searchsorted(emitted.present, channels))
        key = (emitted.step, indices)
        if key not in self._picked:
            source_name = self._network.nodes[source].name
            name = f"{reader.name}_select" if len(reader.inputs) == 1 else f"{reader.name}_select_{source_name}"
            path = f"{reader.path}_select" if reader.path else name
            select = Operation(kind="Select", arguments={"channels": indices})
            self.steps.append(Step(name=name, path=path, operation=select, inputs=(emitted.step,)))
            self._picked[key] = name
        return self._picked[key]

    def _emit_concat(self, node: Node) -> None:
        parts: list[_Emitted] = []
        present: list[Indices] = []
        start = 0
        needed = self._alive.needed[node.index]
        for source in node.inputs:
            stop = start + self._network.nodes[source].num_channels
            if needed[start:stop].any():
                parts.append(self._emitted[source])
                present.append(self._emitted[source].present + start)
            start = stop
        if len(parts) == 1:
            self._emitted[node.index] = _Emitted(step=parts[0].step, present=present[0])
        else:
            self._write(node, node.operation, tuple(part.step for part in parts), np.concatenate(present))

    def _emit_selection(self, node: Node) -> None:
        """A selection of the network is merged with those that its reader needs."""
        kept = np.flatnonzero(self._alive.needed[node.index])
        channels = np.array(node.operation.integers("channels"), dtype=np.int64)[kept]
        self._emitted[node.index] = _Emitted(step=self._pick(node.inputs[0], channels, node), present=kept)

    def _emit_per_channel(self, node: Node) -> None:
        kept = np.flatnonzero(self._alive.needed[node.index])
        size = len(kept)
        sizes: dict[str, Argument] = {"num_features": size}
        if node.operation.kind == "Conv2d":
            sizes = {"in_channels": size, "out_channels": size, "groups": size}
        source = self._pick(node.inputs[0], kept, node)
        self._write(node, _resized(node.operation, sizes), (source,), kept)
        self._keep_tensors(node, kept)

    def _emit_reader(self, node: Node) -> None:
        kept = np.flatnonzero(self._alive.needed[node.index])
        if self._alive.is_emptied(node.index):
            self._emit_constant(node, kept)
            return
        read = np.flatnonzero(self._alive.reads[node.index])
        axes = ("in_features", "out_features") if node.operation.kind == "Linear" else ("in_channels", "out_channels")
        operation = _resized(node.operation, {axes[0]: len(read), axes[1]: len(kept)})
        source = self._pick(node.inputs[0], read, node)
        self._write(node, operation, (source,), kept)
        self._keep_tensors(node, kept, None if is_whole(node) else read)

    def _emit_constant(self, node: Node, kept: Indices) -> None:
        """A reader without inputs, sized by the nearest tensor before it that the student still computes."""
        is_map = len(node.shape) > 1
        windows: list[Argument] = []
        source = node
        while source.index not in self._emitted:
            if is_map:
                windows[:0] = _windows(source)
            source = self._network.nodes[source.inputs[0]]
        has_bias = bool(node.operation.arguments["bias"])
        arguments: dict[str, Argument] = {"num_channels": len(kept), "bias": has_bias, "windows": tuple(windows)}
        self._write(node, Operation(kind="Constant", arguments=arguments), (self._emitted[source.index].step,), kept)
        if has_bias:
            self.tensors[f"{node.path}.bias"] = self._whole[f"{node.path}.bias"][torch.from_numpy(kept)]

    def _keep_tensors(self, node: Node, kept: Indices, read: Indices | None = None) -> None:
        for suffix in ("weight", "bias", "running_mean", "running_var"):
            tensor = self._whole.get(f"{node.path}.{suffix}")
            if tensor is None:
                continue
            tensor = tensor[torch.from_numpy(kept)]
            if suffix == "weight" and read is not None:
                tensor = tensor[:, torch.from_numpy(read)]
            self.tensors[f"{node.path}.{suffix}"] = tensor.contiguous()
        counter = self._whole.get(f"{node.path}.num_batches_tracked")
        if counter is not None:
            self.tensors[f"{node.path}.num_batches_tracked"] = counter


def _resized(operation: Operation, sizes: Mapping[str, Argument]) -> Operation:
    return replace(operation, arguments={**operation.arguments, **sizes})


def _windows(node: Node) -> list[Argument]:
    """Kernel, stride, padding and dilation of a layer that changes the picture's size, as `Constant` takes them."""
    if node.operation.kind == "Constant":
        windows = node.operation.arguments["windows"]
        return list(windows) if isinstance(windows, tuple) else []
    if node.operation.kind == "AdaptiveAvgPool2d":
        return [_window_to(node.shape[1:])]
    if node.operation.kind not in {"Conv2d", "MaxPool2d", "AvgPool2d"}:
        return []
    arguments = node.operation.arguments
    if isinstance(arguments["padding"], str) or arguments.get("ceil_mode"):
        raise UnsupportedGraphError(f"{node.path}: a layer before it lost all inputs, and its size rule cannot be kept")
    dilation = node.operation.integers("dilation") if "dilation" in arguments else (1, 1)
    sizes = tuple(node.operation.integers(name) for name in ("kernel_size", "stride", "padding"))
    return [tuple(value for pair in (*sizes, dilation) for value in pair)]


def _window_to(size: tuple[int, ...]) -> Argument:
    """A window that makes `size` of a picture of any size: kernel 1, a stride wider than pictures, padding to match."""
    strides = (_WIDER_THAN_PICTURES, _WIDER_THAN_PICTURES)
    paddings = tuple((length - 1) * _WIDER_THAN_PICTURES // 2 for length in size)
    return (1, 1, *strides, *paddings, 1, 1)
