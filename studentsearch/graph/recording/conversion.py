"""Recorded calls become nodes: each is read as an operation, and its record says how channels pass through it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from torch import Tensor, fx

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import INPUT, mentions_batch
from studentsearch.graph.dependencies import all_of, same
from studentsearch.graph.named_tuples import named_tuples, without_names
from studentsearch.graph.network import Node, Operation, call
from studentsearch.graph.operations.movements import numbers, run
from studentsearch.graph.operations.operation_record import LayerForm, RecordedAs
from studentsearch.graph.operations.propagation import Applied, Propagation, all_channels
from studentsearch.graph.operations.table import is_movement, record_of, require_permitted
from studentsearch.graph.recording.describe import describe_module
from studentsearch.graph.recording.encoding import encode, function_name
from studentsearch.graph.recording.layer_calls import layer_of_call, names_of_tensors
from studentsearch.graph.recording.movement import Moved
from studentsearch.graph.recording.operands import Operands, Value, result_of
from studentsearch.graph.recording.owners import Owners, tensors_of_layer
from studentsearch.graph.recording.record import RECORDED_BATCH, Recording
from studentsearch.graph.recording.recorded_calls import (
    TAKEN_APART,
    attribute_operation,
    changes_kind,
    first_read,
    indexing,
    known_of,
    location_of,
    named_operation,
    numbering,
    of_axes,
    packed_arguments,
    pads_channels,
    pieces_of,
    retyping,
    shape_of,
    with_torch_names,
)
from studentsearch.graph.recording.writer import NodeWriter


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
        self._writer = NodeWriter()
        self._owners = Owners((*recording.tensors, *recording.modules))
        self._operands = Operands(recording, self._writer, self._owners)
        self._values = self._operands.values

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

    def _value(self, fx_node: fx.Node) -> Value:
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
        structure = encode(fx_node.args[0], numbering(given), RECORDED_BATCH)
        named_tuples(structure)  # refuses what model.py could not hold
        if mentions_batch(structure):
            raise UnsupportedGraphError("returns a number that depends on the batch size; return tensors alone")
        sources = tuple(self._operands.node(item) for item in given)
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

    def _layer(self, fx_node: fx.Node) -> Value:
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

    def _call(self, fx_node: fx.Node) -> Value:
        if fx_node.target is getattr:
            return self._move(attribute_operation(fx_node), self._values[first_read(fx_node)])
        name = function_name(fx_node.target)
        if name is None:
            found = getattr(fx_node.target, "__name__", str(fx_node.target))
            raise UnsupportedGraphError(
                f"the function {found} is not torch's; write it with functions of torch, so that a student can be "
                "built without your code"
            )
        if name == "operator.getitem" and isinstance(self._values.get(first_read(fx_node)), tuple):
            return result_of(fx_node, self._values[first_read(fx_node)])
        with_torch_names(fx_node)
        record = known_of(name)
        match record.recorded_as:
            case RecordedAs.ITS_INPUT:
                if changes_kind(fx_node):
                    return self._add(fx_node, *retyping(fx_node), None)
                return self._values[first_read(fx_node)]
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

    def _computed(self, fx_node: fx.Node, name: str) -> Value:
        """A call as an operation of its own, or as a movement that is followed."""
        given: list[fx.Node] = []
        arguments = without_names(encode(packed_arguments(fx_node, name), numbering(given), RECORDED_BATCH))
        options = tuple(
            (key, without_names(encode(item, numbering(given), RECORDED_BATCH))) for key, item in fx_node.kwargs.items()
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

    def _layer_call(self, fx_node: fx.Node, name: str, form: LayerForm) -> Node:
        """A functional call as the layer that computes it."""
        bound: dict[str, object] = {**dict(zip(form.parameters, fx_node.args, strict=False)), **fx_node.kwargs}
        source = bound["input"]
        assert isinstance(source, fx.Node)
        names = names_of_tensors(name, form, bound, self._values)
        state = {role: self._recording.tensors[name] for role, name in names.items()}
        completed = form.completed(state)
        operation = layer_of_call(name, form, bound, completed, fx_node)
        path = self._owners.layer(self._owners.path_of_call(names), state, operation) if names else ""
        self._owners.state.update({f"{path}.{role}": completed[role] for role in completed.keys() - state.keys()})
        return self._add(fx_node, operation, (source,), None, path=path)

    def _move(self, operation: Operation, value: Value) -> Moved:
        """A movement that is not written down until something reads what was moved."""
        assert not isinstance(value, (str, tuple))
        if isinstance(value, Node):
            entries = run(operation, numbers(value.shape))
            return Moved(base=value, entries=entries, operation=operation, parent=None)
        return Moved(base=value.base, entries=run(operation, value.entries), operation=operation, parent=value)

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
        applied = Applied(operation=operation, sources=self._operands.sources(given, shape), shape=shape)
        propagation = known or self._propagation(fx_node, applied, path)
        record = record_of(operation)
        macs = 0 if record is None or record.macs is None else record.macs(applied, propagation)
        location = location_of(fx_node)
        return self._writer.write(fx_node.name, applied, propagation, macs=macs, path=path, location=location)

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
        encode((fx_node.args, *fx_node.kwargs.values()), numbering(given), RECORDED_BATCH)
        return tuple(given)


def _rank(fx_node: fx.Node) -> int:
    """Axes of a tensor without the batch; 0 for several tensors."""
    value = fx_node.meta["value"]
    return value.dim() - 1 if isinstance(value, Tensor) else 0


def _same_for_all(fx_node: fx.Node, value: Value) -> Value:
    """The value, if a movement did the same to every image."""
    if isinstance(value, Moved):
        sizes = tuple(
            size if size % RECORDED_BATCH or not size else size // RECORDED_BATCH
            for size in fx_node.meta["value"].shape
        )
        if sizes != tuple(value.entries.shape):
            raise UnsupportedGraphError(TAKEN_APART)
    return value
