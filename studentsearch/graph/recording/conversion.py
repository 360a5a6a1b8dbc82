"""Recorded calls become nodes, and `rules` say how channels pass through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from typing import TypeAlias

from torch import Tensor, fx, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import INPUT, encode, function_name, mentions_batch
from studentsearch.graph.links import all_of, same
from studentsearch.graph.named_tuples import named_tuples, without_names
from studentsearch.graph.network import Argument, Node, Operation, call
from studentsearch.graph.passages import Passage, Step, aligned, whole
from studentsearch.graph.permitted import require_permitted
from studentsearch.graph.recording.describe import WEIGHTED_CALLS, describe_module, describe_pooling
from studentsearch.graph.recording.functional import (
    BY_SIZES,
    EXTREMES,
    MIXED,
    TAKEN_APART,
    changes_kind,
    first_read,
    layer_of_call,
    named_operation,
    number_like,
    numbering,
    of_axes,
    packed_arguments,
    pads_channels,
    pieces_of,
    place_of,
    shape_of,
    with_both,
    with_torch_names,
)
from studentsearch.graph.recording.movement import (
    MOVEMENTS,
    PIECES,
    Moved,
    numbers,
    run,
)
from studentsearch.graph.recording.owners import Owners, tensors_of_layer
from studentsearch.graph.recording.record import BATCH, Recording
from studentsearch.graph.recording.writer import NodeWriter
from studentsearch.graph.rules import rule_of
from studentsearch.graph.weighted import READERS

_Value: TypeAlias = "Node | Moved | str | tuple[_Value, ...]"  # a str is the name of a parameter
_PASSED_ON = frozenset({
    *("Tensor.contiguous", "torch.clone", "Tensor.float", "Tensor.to", "Tensor.type_as", "torch.detach", "Tensor.type"),
    *(
        "Tensor.bool",
        "Tensor.int",
        "Tensor.long",
        "Tensor.requires_grad_",
        "Tensor.half",
        "Tensor.double",
        "torch.alias",
        "Tensor.cpu",
        "Tensor.bfloat16",
    ),
})


class Conversion:
    """Walks the recorded calls in order and writes nodes."""

    def __init__(self, recording: Recording, skip: tuple[str, ...]) -> None:
        """Begin with no node.

        Args:
            recording: The calls.
            skip: Patterns of module paths that are left whole.
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
            UnsupportedGraphError: A call that no rule covers; names its place.
        """
        for fx_node in self._recording.graph.nodes:
            try:
                self._values[fx_node] = _same_for_all(fx_node, self._value(fx_node))
            except UnsupportedGraphError as error:
                where = place_of(fx_node)
                raise error if str(error).startswith(where) else UnsupportedGraphError(f"{where}: {error}") from error

    def _value(self, fx_node: fx.Node) -> _Value:
        match fx_node.op:
            case "placeholder":
                return self._add(fx_node, Operation(kind="Input"), (), Passage(axis=0, links=()))
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
        links = tuple(
            same(first.num_channels)
            if source.num_channels == first.num_channels
            else all_of(source.num_channels, first.num_channels)
            for source in sources
        )
        return self._writer.write("output", operation, sources, Passage(axis=first.axis, links=links), first.shape)

    def _layer(self, fx_node: fx.Node) -> _Value:
        path = str(fx_node.target)
        module = self._recording.modules[path]
        given = self._inputs(fx_node)
        operation = describe_module(module, path, rank=_rank(fx_node))
        if operation.kind == "Identity":
            return self._values[given[0]]
        if operation.kind in {"Flatten", "Unflatten", "ChannelShuffle", "PixelShuffle", "PixelUnshuffle"}:
            return self._move(operation, self._values[given[0]])
        path = self._owners.layer(path, tensors_of_layer(module), operation)
        if operation.kind == "MultiheadAttention":
            return (self._add(fx_node, operation, given, None, path=path),)
        return self._add(fx_node, operation, given, None, path=path)

    def _call(self, fx_node: fx.Node) -> _Value:
        name = function_name(fx_node.target)
        if fx_node.target is getattr:
            return self._attribute(fx_node)
        if name is None:
            found = getattr(fx_node.target, "__name__", str(fx_node.target))
            raise UnsupportedGraphError(
                f"the function {found} is not torch's; write it with functions of torch, so that a student can be "
                "built without your code"
            )
        if name == "operator.getitem" and isinstance(self._values.get(first_read(fx_node)), tuple):
            pieces, index = self._values[first_read(fx_node)], fx_node.args[1]
            assert isinstance(pieces, tuple)
            assert isinstance(index, int)
            if not -len(pieces) <= index < len(pieces):
                raise UnsupportedGraphError(
                    f"result {index} of {place_of(first_read(fx_node))} is not followed (indices of largest entries, "
                    "weights of attention); expected the first one only; compute what is needed from that"
                )
            return pieces[index]
        with_torch_names(fx_node)
        if name in _PASSED_ON:
            return self._retyped(fx_node) if changes_kind(fx_node) else self._values[first_read(fx_node)]
        if name in BY_SIZES and not isinstance(self._values[first_read(fx_node)], str):
            movement, value = of_axes(name, fx_node), self._values[first_read(fx_node)]
            return value if movement is None else self._move(movement, value)
        if name in WEIGHTED_CALLS:
            return self._weighted(fx_node, name)
        is_extreme = name in EXTREMES and isinstance(fx_node.meta["value"], tuple)
        if name in EXTREMES:
            name = EXTREMES[name] if is_extreme else f"{name}imum"
        given: list[fx.Node] = []
        arguments = without_names(encode(packed_arguments(fx_node, name), numbering(given), BATCH))
        options = tuple(
            (key, without_names(encode(item, numbering(given), BATCH))) for key, item in fx_node.kwargs.items()
        )
        assert isinstance(arguments, tuple)
        operation = call(name, *arguments, options=options)
        pooling = describe_pooling(name, fx_node.args[1:], fx_node.kwargs)
        if pooling is not None:
            return self._add(fx_node, pooling, (first_read(fx_node),), None)
        if name in PIECES:
            whole_value = self._values[first_read(fx_node)]
            return tuple(self._move(piece, whole_value) for piece in pieces_of(fx_node))
        is_pad_of_channels = name.endswith(".pad") and pads_channels(operation, fx_node)
        if any(isinstance(self._values[item], str) for item in given[1:]) and name in MOVEMENTS:
            return self._move(self._indexing(fx_node, name, given), self._values[given[0]])
        if (name in MOVEMENTS or is_pad_of_channels) and not isinstance(self._values[given[0]], str):
            return self._move(operation, self._values[given[0]])
        added = self._add(fx_node, named_operation(operation, fx_node), tuple(given), None)
        return (added,) if is_extreme else added

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

    def _indexing(self, fx_node: fx.Node, name: str, given: list[fx.Node]) -> Operation:
        """Indexing by a table of numbers along one axis, as the selection that it is."""
        index = fx_node.args[1] if name == "operator.getitem" else None
        parts = index if isinstance(index, tuple) else (index,)
        if name == "torch.index_select":
            dim = fx_node.kwargs.get("dim", fx_node.args[1] if len(fx_node.args) > 1 else 0)
        else:
            dim = next((place for place, part in enumerate(parts) if isinstance(part, fx.Node)), 0)
        others = [part for part in parts if not isinstance(part, fx.Node)]
        is_plain = name == "torch.index_select" or all(part == slice(None) for part in others)
        table = self._values[given[1]]
        if len(given) != 2 or not is_plain or not isinstance(table, str) or not isinstance(dim, int):
            raise UnsupportedGraphError(
                f"{name} by several tables or by one that is computed from the image; expected one table of numbers "
                "along one axis; write it with torch.narrow, torch.chunk or such indexing"
            )
        numbers_picked = tuple(int(number) for number in self._recording.tensors[table].flatten().tolist())
        axis = dim % fx_node.meta["value"].dim()
        return Operation(kind="Select", arguments={"channels": numbers_picked, "axis": axis})

    def _weighted(self, fx_node: fx.Node, name: str) -> Node:
        """A functional call with weights, as the layer that computes it."""
        weighted = WEIGHTED_CALLS[name]
        bound: dict[str, object] = {**dict(zip(weighted.parameters, fx_node.args, strict=False)), **fx_node.kwargs}
        source = bound["input"]
        assert isinstance(source, fx.Node)
        names: dict[str, str] = {}
        for role in weighted.weights:
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
        if bound.get("training") or (weighted.kind == "InstanceNorm" and bound.get("use_input_stats", True)):
            # Statistics of the batch or image; those that are kept are not read.
            names = {role: name for role, name in names.items() if not role.startswith("running_")}
        state = {role: self._recording.tensors[name] for role, name in names.items()}
        completed = with_both(weighted.kind, state)
        operation = layer_of_call(weighted.kind, bound, completed, shape_of(fx_node), source)
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
        self, fx_node: fx.Node, operation: Operation, given: Sequence[fx.Node], known: Passage | None, *, path: str = ""
    ) -> Node:
        """A node for a recorded call."""
        shape = shape_of(fx_node)
        sources = self._sources(given, shape)
        step = Step(operation=operation, sources=sources, shape=shape)
        way = known or self._passage(fx_node, step, path)
        place = place_of(fx_node)
        return self._writer.write(fx_node.name, operation, sources, way, shape, path=path, place=place)

    def _sources(self, given: Sequence[fx.Node], shape: tuple[int, ...]) -> tuple[Node, ...]:
        values = [self._values[item] for item in given]
        nodes = {place: self._node(given[place]) for place, value in enumerate(values) if not isinstance(value, str)}
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
        shape = (1,) * (-axis_from_end - tensor.dim()) + tuple(tensor.shape)
        axis = len(shape) + axis_from_end
        is_trainable = isinstance(tensor, nn.Parameter)
        arguments: dict[str, Argument] = {"shape": tuple(tensor.shape), "is_trainable": is_trainable}
        if not tensor.is_floating_point():
            arguments["dtype"] = str(tensor.dtype).removeprefix("torch.")
        operation = Operation(kind="Parameter", arguments=arguments)
        if (name, axis_from_end) not in self._parameters:
            way = Passage(axis=axis, links=())
            node = self._writer.write(name.replace(".", "_"), operation, (), way, shape, path=name)
            self._parameters[name, axis_from_end] = node
        return self._parameters[name, axis_from_end]

    def _passage(self, fx_node: fx.Node, step: Step, path: str) -> Passage:
        require_permitted(step.operation)
        names = {path, place_of(fx_node), str(fx_node.meta.get("path", "")), fx_node.name}
        if any(fnmatch(name, pattern) for name in names if name for pattern in self._skip):
            return replace(whole(step, "skipped"), work=_whole_work(step))
        rule = rule_of(step.operation)
        if rule is not None:
            return rule(step)
        if any(self._writer.has_reader[source.index] for source in step.sources):
            raise UnsupportedGraphError(
                f"the operation {step.operation.name} has no rule and reads channels that may be cut; "
                f'leave it whole with --skip "{place_of(fx_node)}", '
                "or teach a rule (studentsearch.graph.rules.use_rule)"
            )
        return whole(step, "has no rule")

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


def _whole_work(step: Step) -> int:
    """Multiply-accumulates of one output channel of a layer that is left whole."""
    rule = rule_of(step.operation)
    if rule is None:
        return 0
    passage_of_rule = rule(step)
    is_reader = step.operation.kind in READERS and passage_of_rule.ties is None and not passage_of_rule.whole
    is_reader = is_reader and step.operation.arguments.get("groups", 1) == 1
    return passage_of_rule.work * (step.sources[0].num_channels if is_reader else 1)
