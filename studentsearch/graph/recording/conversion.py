"""Recorded calls become nodes: each is read as an operation, and its record says how channels pass through it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from typing import TypeAlias

from torch import Tensor, fx

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import INPUT, mentions_batch
from studentsearch.graph.links import all_of, same
from studentsearch.graph.named_tuples import named_tuples, without_names
from studentsearch.graph.network import Node, Operation, call
from studentsearch.graph.operations.movements import numbers, run
from studentsearch.graph.operations.operation_record import LayerForm, RecordedAs
from studentsearch.graph.operations.propagation import Applied, Propagation, aligned, all_channels
from studentsearch.graph.operations.table import is_movement, record_of, require_permitted
from studentsearch.graph.recording.describe import describe_module
from studentsearch.graph.recording.encoding import encode, function_name
from studentsearch.graph.recording.layer_calls import layer_of_call
from studentsearch.graph.recording.movement import Moved
from studentsearch.graph.recording.owners import Owners, tensors_of_layer
from studentsearch.graph.recording.record import BATCH, Recording
from studentsearch.graph.recording.recorded_calls import (
    MIXED,
    TAKEN_APART,
    changes_kind,
    first_read,
    indexing,
    known_of,
    location_of,
    named_operation,
    number_like,
    numbering,
    of_axes,
    packed_arguments,
    pads_channels,
    parameter_operation,
    pieces_of,
    shape_of,
    with_torch_names,
)
from studentsearch.graph.recording.writer import NodeWriter

_Value: TypeAlias = "Node | Moved | str | tuple[_Value, ...]"  # a str is the name of a parameter


class Conversion:
    """Walks the recorded calls in order and writes nodes."""

    def __init__(self, recording: Recording, skip: tuple[str, ...]) -> None:
        """Begin with no node.

        Args:
            recording: The calls.
            skip: Patterns of module paths whose parts keep all channels.
        """
        self._recording = recording
        self._skip = skip
        self._values: dict[fx.Node, _Value] = {}
        self._writer = NodeWriter()
        self._owners = Owners((*recording.tensors, *recording.modules))
        self._parameters: dict[tuple[str, int], Node] = {}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """What was written."""
        return self._owners.settled(self._writer.nodes, self._recording.tensors)

    @property
    def state(self) -> dict[str, Tensor]:
        """The tensors of what was written, by name."""
        return self._owners.state

    def convert(self) -> None:
        """Write every node.

        Raises:
            UnsupportedGraphError: A call that no record covers; names its location.
        """
        for fx_node in self._recording.graph.nodes:
            try:
                self._values[fx_node] = _same_for_all(fx_node, self._value(fx_node))
            except UnsupportedGraphError as error:
                where = location_of(fx_node)
                raise error if str(error).startswith(where) else UnsupportedGraphError(f"{where}: {error}") from error

    def _value(self, fx_node: fx.Node) -> _Value:
        match fx_node.op:
            case "placeholder":
                return self._add(fx_node, Operation(kind="Input"), (), Propagation(axis=0, dependencies=()))
            case "get_attr":
                return str(fx_node.target)
            case "output":
                return self._output(fx_node)
            case "call_module":
                return self._layer(fx_node)
            case _:
                return self._call(fx_node)

    def _output(self, fx_node: fx.Node) -> Node:
        given: list[fx.Node] = []
        structure = encode(fx_node.args[0], numbering(given), BATCH)
        named_tuples(structure)  # refuses what model.py could not hold
        if mentions_batch(structure):
            raise UnsupportedGraphError("returns a number that depends on the batch size; return tensors alone")
        sources = tuple(self._node(item) for item in given)
        operation = Operation(kind="Output", arguments={} if structure == (INPUT, 0) else {"structure": structure})
        first = sources[0]
        # Every channel of every output is needed, whatever the first one's number of channels.
        dependencies = tuple(
            same(first.num_channels)
            if source.num_channels == first.num_channels
            else all_of(source.num_channels, first.num_channels)
            for source in sources
        )
        applied = Applied(operation=operation, sources=sources, shape=first.shape)
        return self._writer.write("output", applied, Propagation(axis=first.axis, dependencies=dependencies))

    def _layer(self, fx_node: fx.Node) -> _Value:
        path = str(fx_node.target)
        module = self._recording.modules[path]
        given = self._inputs(fx_node)
        operation = describe_module(module, path, rank=_rank(fx_node))
        if operation.kind == "Identity":
            return self._values[given[0]]
        if is_movement(operation):
            return self._move(operation, self._values[given[0]])
        path = self._owners.layer(path, tensors_of_layer(module), operation)
        if operation.kind == "MultiheadAttention":
            return (self._add(fx_node, operation, given, None, path=path),)
        return self._add(fx_node, operation, given, None, path=path)

    def _call(self, fx_node: fx.Node) -> _Value:
        if fx_node.target is getattr:
            return self._attribute(fx_node)
        name = function_name(fx_node.target)
        if name is None:
            found = getattr(fx_node.target, "__name__", str(fx_node.target))
            raise UnsupportedGraphError(
                f"the function {found} is not torch's; write it with functions of torch, so that a student can be "
                "built without your code"
            )
        if name == "operator.getitem" and isinstance(self._values.get(first_read(fx_node)), tuple):
            return self._result(fx_node)
        with_torch_names(fx_node)
        record = known_of(name)
        match record.recorded_as:
            case RecordedAs.ITS_INPUT:
                return self._retyped(fx_node) if changes_kind(fx_node) else self._values[first_read(fx_node)]
            case RecordedAs.MOVEMENT_OF_AXES if not isinstance(self._values[first_read(fx_node)], str):
                movement, value = of_axes(name, fx_node), self._values[first_read(fx_node)]
                return value if movement is None else self._move(movement, value)
            case RecordedAs.EXTREME if isinstance(fx_node.meta["value"], tuple):
                # Values and indices, of which only the values are followed.
                return (self._computed(fx_node, f"torch.a{name.removeprefix('torch.')}"),)
            case RecordedAs.EXTREME:
                return self._computed(fx_node, f"{name}imum")
        if record.layer_form is not None:
            return self._layer_call(fx_node, name, record.layer_form)
        return self._computed(fx_node, name)

    def _computed(self, fx_node: fx.Node, name: str) -> _Value:
        """A call as an operation of its own, or as a movement that is followed."""
        given: list[fx.Node] = []
        arguments = without_names(encode(packed_arguments(fx_node, name), numbering(given), BATCH))
        options = tuple(
            (key, without_names(encode(item, numbering(given), BATCH))) for key, item in fx_node.kwargs.items()
        )
        assert isinstance(arguments, tuple)
        operation = call(name, *arguments, options=options)
        movement = known_of(name).movement
        if movement is not None and movement.splits:
            everything = self._values[first_read(fx_node)]
            return tuple(self._move(piece, everything) for piece in pieces_of(fx_node))
        values = [self._values[item] for item in given]
        if movement is not None and any(isinstance(value, str) for value in values[1:]):
            table = values[1] if len(values) == 2 else None
            numbers_of_table = self._recording.tensors[table] if isinstance(table, str) else None
            return self._move(indexing(fx_node, name, numbers_of_table), values[0])
        is_pad_of_channels = name.endswith(".pad") and pads_channels(operation, fx_node)
        if (movement is not None or is_pad_of_channels) and not isinstance(values[0], str):
            return self._move(operation, values[0])
        return self._add(fx_node, named_operation(operation, fx_node), tuple(given), None)

    def _result(self, fx_node: fx.Node) -> _Value:
        """One of several results of a call."""
        results, index = self._values[first_read(fx_node)], fx_node.args[1]
        assert isinstance(results, tuple)
        assert isinstance(index, int)
        if not -len(results) <= index < len(results):
            raise UnsupportedGraphError(
                f"result {index} of {location_of(first_read(fx_node))} is not followed (indices of largest entries, "
                "weights of attention); expected the first one only; compute what is needed from that"
            )
        return results[index]

    def _retyped(self, fx_node: fx.Node) -> Node:
        """A mask or integers made into numbers, or the other way round."""
        dtype = fx_node.meta["value"].dtype
        if not dtype.is_floating_point:
            to = call("Tensor.to", (INPUT, 0), encode(dtype, numbering([]), BATCH))
            return self._add(fx_node, to, (first_read(fx_node),), None)
        typed = call("Tensor.type_as", (INPUT, 0), (INPUT, 1))
        return self._add(fx_node, typed, (first_read(fx_node), number_like(fx_node)), None)

    def _attribute(self, fx_node: fx.Node) -> _Value:
        """What is read from a tensor without a call."""
        name = fx_node.args[1]
        if name != "mT":
            raise UnsupportedGraphError(
                f"the attribute {name} of a tensor has no rule; expected calls of torch; write it with these"
            )
        return self._move(call("torch.transpose", (INPUT, 0), -2, -1), self._values[first_read(fx_node)])

    def _layer_call(self, fx_node: fx.Node, name: str, form: LayerForm) -> Node:
        """A functional call as the layer that computes it."""
        bound: dict[str, object] = {**dict(zip(form.parameters, fx_node.args, strict=False)), **fx_node.kwargs}
        source = bound["input"]
        assert isinstance(source, fx.Node)
        names: dict[str, str] = {}
        for role in form.roles:
            tensor = bound.get(role)
            if tensor is None:
                continue
            value = self._values[tensor] if isinstance(tensor, fx.Node) else None
            if not isinstance(value, str):
                raise UnsupportedGraphError(
                    f"{name} with a {role} that is computed from the image; expected a parameter; "
                    "write the part as a product or a sum of tensors"
                )
            names[role] = value
        if not form.reads_statistics(bound):
            # Statistics of the batch or image; those that are kept are not read.
            names = {role: name for role, name in names.items() if not role.startswith("running_")}
        state = {role: self._recording.tensors[name] for role, name in names.items()}
        completed = form.completed(state)
        operation = layer_of_call(name, form, bound, completed, fx_node)
        path = self._owners.layer(self._owners.path_of_call(names), state, operation) if names else ""
        self._owners.state.update({f"{path}.{role}": completed[role] for role in completed.keys() - state.keys()})
        return self._add(fx_node, operation, (source,), None, path=path)

    def _move(self, operation: Operation, value: _Value) -> Moved:
        """A movement that is not written down until something reads what was moved."""
        assert not isinstance(value, (str, tuple))
        if isinstance(value, Node):
            entries = run(operation, numbers(value.shape))
            return Moved(base=value, entries=entries, operation=operation, parent=None)
        return Moved(base=value.base, entries=run(operation, value.entries), operation=operation, parent=value)

    def _node(self, fx_node: fx.Node) -> Node:
        """The node of a call's result; movements are written down now."""
        value = self._values[fx_node]
        if isinstance(value, Node):
            return value
        if not isinstance(value, Moved):
            raise UnsupportedGraphError(
                "a parameter where a tensor of the image was expected; expand it to [B, ...] by adding it to one"
            )
        if fx_node.meta["value"].shape[0] != BATCH:
            raise UnsupportedGraphError(MIXED)
        return self._writer.moved(value)

    def _add(
        self,
        fx_node: fx.Node,
        operation: Operation,
        given: Sequence[fx.Node],
        known: Propagation | None,
        *,
        path: str = "",
    ) -> Node:
        """A node for a recorded call."""
        shape = shape_of(fx_node)
        applied = Applied(operation=operation, sources=self._sources(given, shape), shape=shape)
        propagation = known or self._propagation(fx_node, applied, path)
        record = record_of(operation)
        macs = 0 if record is None or record.macs is None else record.macs(applied, propagation)
        location = location_of(fx_node)
        return self._writer.write(fx_node.name, applied, propagation, macs=macs, path=path, location=location)

    def _sources(self, given: Sequence[fx.Node], shape: tuple[int, ...]) -> tuple[Node, ...]:
        values = [self._values[item] for item in given]
        nodes = {number: self._node(given[number]) for number, value in enumerate(values) if not isinstance(value, str)}
        several = [node for node in nodes.values() if node.num_channels > 1]
        axis = next((aligned(node, len(shape)) for node in several or nodes.values()), 0)
        for position, value in enumerate(values):
            if isinstance(value, str):
                nodes[position] = self._parameter(value, axis - len(shape))
        return tuple(nodes[position] for position in range(len(values)))

    def _parameter(self, name: str, axis_from_end: int) -> Node:
        """A parameter that stands outside a layer, with its channels where those of its partner are."""
        tensor = self._recording.tensors[name]
        self._owners.parameter(name, tensor)
        if (name, axis_from_end) not in self._parameters:
            shape = (1,) * (-axis_from_end - tensor.dim()) + tuple(tensor.shape)
            applied = Applied(operation=parameter_operation(tensor), sources=(), shape=shape)
            propagation = Propagation(axis=len(shape) + axis_from_end, dependencies=())
            node = self._writer.write(name.replace(".", "_"), applied, propagation, path=name)
            self._parameters[name, axis_from_end] = node
        return self._parameters[name, axis_from_end]

    def _propagation(self, fx_node: fx.Node, applied: Applied, path: str) -> Propagation:
        require_permitted(applied.operation)
        names = {path, location_of(fx_node), str(fx_node.meta.get("path", "")), fx_node.name}
        if any(fnmatch(name, pattern) for name in names if name for pattern in self._skip):
            return all_channels(applied, "skipped")
        record = record_of(applied.operation)
        # Movements of the image are followed entry by entry; one that comes here is of a parameter.
        if record is not None and record.propagate is not None and record.movement is None:
            return record.propagate(applied)
        if any(self._writer.has_reader[source.index] for source in applied.sources):
            raise UnsupportedGraphError(
                f"the operation {applied.operation.name} has no rule and reads channels that may be cut; "
                f'keep all channels with --skip "{location_of(fx_node)}", '
                "or teach its record (studentsearch.graph.operations.table.use_operation)"
            )
        return all_channels(applied, "has no rule")

    def _inputs(self, fx_node: fx.Node) -> tuple[fx.Node, ...]:
        given: list[fx.Node] = []
        encode((fx_node.args, *fx_node.kwargs.values()), numbering(given), BATCH)
        return tuple(given)


def _rank(fx_node: fx.Node) -> int:
    """Axes of a tensor without the batch; 0 for several tensors."""
    value = fx_node.meta["value"]
    return value.dim() - 1 if isinstance(value, Tensor) else 0


def _same_for_all(fx_node: fx.Node, value: _Value) -> _Value:
    """The value, if a movement did the same to every image."""
    if isinstance(value, Moved):
        sizes = tuple(size if size % BATCH or not size else size // BATCH for size in fx_node.meta["value"].shape)
        if sizes != tuple(value.entries.shape):
            raise UnsupportedGraphError(TAKEN_APART)
    return value
