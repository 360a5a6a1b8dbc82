"""From a torch module to a `Network`: recorded calls become nodes, and `rules` say how channels pass through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import TypeAlias

import torch
from torch import Tensor, fx, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import INPUT, Argument, encode, function_name
from studentsearch.graph.describe import WEIGHTED_CALLS, describe_module, describe_pooling
from studentsearch.graph.links import all_of, same
from studentsearch.graph.movement import (
    MOVEMENTS,
    PIECES,
    Moved,
    is_regrouping,
    moves_batch,
    numbers,
    passage,
    picked_channels,
    regrouped,
    run,
    with_batch_first,
)
from studentsearch.graph.network import Network, Node, Operation, call
from studentsearch.graph.record import BATCH, Recording, record
from studentsearch.graph.rules import READERS, Passage, Step, rule_of, whole

_Value: TypeAlias = "Node | Moved | str | tuple[_Value, ...]"  # a str is the name of a parameter
_PASSED_ON = frozenset({
    *("Tensor.contiguous", "torch.clone", "Tensor.float", "Tensor.to", "Tensor.type_as", "torch.detach", "Tensor.type"),
    *("Tensor.requires_grad_", "Tensor.half", "Tensor.double", "torch.alias", "Tensor.cpu", "Tensor.bfloat16"),
})
_EXTREMES = {"torch.max": "torch.amax", "torch.min": "torch.amin"}
_TAKES_SIZES = frozenset({"torch.reshape", "torch.permute", "torch.flip", "torch.tile"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A module as its network.

    Attributes:
        network: What it computes.
        state: Its parameters and buffers under the names that the network's layers give them.
    """

    network: Network
    state: Mapping[str, Tensor]


def trace(module: nn.Module, *input_shapes: tuple[int, ...], skip: Sequence[str] = ()) -> Network:
    """The network that `module` computes for images of one shape.

    Args:
        module: Any module that torch.fx can follow; it is not changed.
        input_shapes: `[C, H, W]` of one image, one shape an input.
        skip: Patterns (`layer4.*`) of module paths that are left whole.

    Returns:
        Its nodes in topological order.

    Raises:
        UnsupportedGraphError: Control flow that depends on values, or an operation without a rule.
    """
    return trace_with_state(module, *input_shapes, skip=skip).network


def trace_with_state(module: nn.Module, *input_shapes: tuple[int, ...], skip: Sequence[str] = ()) -> Traced:
    """The network that `module` computes, with its weights.

    Args:
        module: Any module that torch.fx can follow; it is not changed.
        input_shapes: `[C, H, W]` of one image, one shape an input.
        skip: Patterns of module paths that are left whole.

    Returns:
        Network and weights.

    Raises:
        UnsupportedGraphError: Control flow that depends on values, or an operation without a rule.
    """
    tracer = _Conversion(record(module, *input_shapes), tuple(skip))
    tracer.convert()
    return Traced(network=Network(nodes=tuple(tracer.nodes)), state=tracer.state)


class _Conversion:
    """Walks the recorded calls in order and writes nodes."""

    def __init__(self, recording: Recording, skip: tuple[str, ...]) -> None:
        self._recording = recording
        self._skip = skip
        self._values: dict[fx.Node, _Value] = {}
        self._names: set[str] = set()
        self._placed: dict[tuple[int, ...], str] = {}
        self._real: dict[int, Node] = {}
        self._has_reader: list[bool] = []
        # Weights that a parametrization computes would be freed, and their ids given to others.
        self._held: list[Tensor] = []
        self.nodes: list[Node] = []
        self.state: dict[str, Tensor] = {}

    def convert(self) -> None:
        """Write every node."""
        for fx_node in self._recording.graph.nodes:
            try:
                self._values[fx_node] = self._value(fx_node)
            except UnsupportedGraphError as error:
                where = _place(fx_node)
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
        structure = encode(fx_node.args[0], _numbering(given), BATCH)
        sources = tuple(self._node(self._values[item]) for item in given)
        operation = Operation(kind="Output", arguments={} if structure == (INPUT, 0) else {"structure": structure})
        first = sources[0]
        # Every channel of every output is needed, whatever the first one's number of channels.
        links = tuple(
            same(first.num_channels)
            if source.num_channels == first.num_channels
            else all_of(source.num_channels, first.num_channels)
            for source in sources
        )
        return self._write(
            fx_node, "output", "", operation, sources, Passage(axis=first.axis, links=links), first.shape
        )

    def _layer(self, fx_node: fx.Node) -> _Value:
        path = str(fx_node.target)
        module = self._recording.modules[path]
        operation = describe_module(module, path)
        given = self._inputs(fx_node)
        if operation.kind == "Identity":
            return self._values[given[0]]
        if operation.kind in {"Flatten", "Unflatten", "ChannelShuffle", "PixelShuffle", "PixelUnshuffle"}:
            return self._move(operation, self._values[given[0]])
        state = dict(module.state_dict(keep_vars=True).items())
        if state and any(".parametrizations." in f".{name}" for name in state):
            state = {
                role: tensor
                for role in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
                if isinstance(tensor := getattr(module, role, None), Tensor)
            }
        path = self._own(path, state)
        if operation.kind == "MultiheadAttention":
            return (self._add(fx_node, operation, given, None, path=path),)
        return self._add(fx_node, operation, given, None, path=path)

    def _own(self, path: str, state: Mapping[str, Tensor]) -> str:
        """The path under which these tensors are kept: an earlier layer's where it has the very same."""
        self._held += state.values()
        key = tuple(id(tensor) for tensor in state.values())
        if key and key in self._placed:
            return self._placed[key]
        shared = {id(tensor) for tensor in state.values() if tensor.is_floating_point()}
        owned = {number for numbers_of_layer in self._placed for number in numbers_of_layer}
        if shared & owned:
            raise UnsupportedGraphError(
                f"{path}: shares one of its tensors with another layer; expected layers that share all or none; "
                "give it a copy, or leave both whole with --skip"
            )
        if key:
            self._placed[key] = path
        self.state |= {f"{path}.{name}": tensor.detach() for name, tensor in state.items()}
        return path

    def _call(self, fx_node: fx.Node) -> _Value:
        name = function_name(fx_node.target)
        if name is None:
            found = getattr(fx_node.target, "__name__", str(fx_node.target))
            raise UnsupportedGraphError(
                f"the function {found} is not torch's; write it with functions of torch, so that a student can be "
                "built without your code"
            )
        if name == "operator.getitem" and isinstance(self._values.get(_first(fx_node)), tuple):
            pieces, index = self._values[_first(fx_node)], fx_node.args[1]
            assert isinstance(pieces, tuple)
            assert isinstance(index, int)
            if not -len(pieces) <= index < len(pieces):
                raise UnsupportedGraphError(
                    f"result {index} of {_place(_first(fx_node))} is not followed (indices of largest entries, weights of "
                    "attention); expected the first one only; leave this part whole with --skip"
                )
            return pieces[index]
        if name in _PASSED_ON:
            return self._values[_first(fx_node)]
        if name in WEIGHTED_CALLS:
            return self._weighted(fx_node, name)
        is_extreme = name in _EXTREMES and isinstance(fx_node.meta["value"], tuple)
        if name in _EXTREMES:
            name = _EXTREMES[name] if is_extreme else f"{name}imum"
        given: list[fx.Node] = []
        arguments = encode(_packed(fx_node, name), _numbering(given), BATCH)
        options = tuple((key, encode(item, _numbering(given), BATCH)) for key, item in fx_node.kwargs.items())
        assert isinstance(arguments, tuple)
        operation = call(name, *arguments, options=options)
        pooling = describe_pooling(name, fx_node.args[1:], fx_node.kwargs)
        if pooling is not None:
            return self._add(fx_node, pooling, (_first(fx_node),), None)
        if name in PIECES:
            return self._pieces(fx_node)
        is_pad_of_channels = name.endswith(".pad") and _pads_channels(operation, fx_node)
        if any(isinstance(self._values[item], str) for item in given[1:]) and name in MOVEMENTS:
            return self._move(self._indexing(fx_node, name, given), self._values[given[0]])
        if (name in MOVEMENTS or is_pad_of_channels) and not isinstance(self._values[given[0]], str):
            return self._move(operation, self._values[given[0]])
        added = self._add(fx_node, _named(operation, fx_node), tuple(given), None)
        return (added,) if is_extreme else added

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
                "along one axis; leave this part whole with --skip"
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
                    "leave this part whole with --skip"
                )
            names[role] = value
        state = {role: self._recording.tensors[value] for role, value in names.items()}
        if weighted.kind in {"BatchNorm", "GroupNorm"} and len({"weight", "bias"} & set(state)) == 1:
            # Their layers have both or none.
            given = next(state[role] for role in ("weight", "bias") if role in state)
            state = {"weight": torch.ones_like(given), "bias": torch.zeros_like(given)} | state
        main = names.get("weight", names.get("running_mean", f"{fx_node.meta['path']}.{fx_node.name}"))
        path = main.removesuffix(".weight").removesuffix(".running_mean")
        operation = _as_layer(weighted.kind, bound, state, _shape(fx_node), source)
        return self._add(fx_node, operation, (source,), None, path=self._own(path, state))

    def _pieces(self, fx_node: fx.Node) -> tuple[_Value, ...]:
        """The parts of chunk, split or unbind, each on its own."""
        value = self._values[_first(fx_node)]
        source = fx_node.args[0]
        assert isinstance(source, fx.Node)
        rank = source.meta["value"].dim()
        is_unbind = function_name(fx_node.target) == "torch.unbind"
        given = fx_node.kwargs.get(
            "dim", fx_node.args[1 if is_unbind else 2] if len(fx_node.args) > 2 - is_unbind else 0
        )
        assert isinstance(given, int)
        dim, start, parts = given % rank, 0, []
        for piece in fx_node.meta["value"]:
            if is_unbind:
                parts.append(self._move(call("torch.select", (INPUT, 0), dim, start), value))
                start += 1
            else:
                length = piece.shape[dim]
                parts.append(self._move(call("torch.narrow", (INPUT, 0), dim, start, length), value))
                start += length
        return tuple(parts)

    def _move(self, operation: Operation, value: _Value) -> Moved:
        """A movement that is not written down until something reads what was moved."""
        assert not isinstance(value, (str, tuple))
        if isinstance(value, Node):
            entries = run(operation, numbers(value.shape))
            return Moved(base=value, entries=entries, operation=operation, parent=None)
        return Moved(base=value.base, entries=run(operation, value.entries), operation=operation, parent=value)

    def _node(self, value: _Value) -> Node:
        """The node of a value; movements are written down now."""
        if isinstance(value, Node):
            return value
        if not isinstance(value, Moved):
            raise UnsupportedGraphError(
                "a parameter where a tensor of the image was expected; leave it whole with --skip"
            )
        if id(value) not in self._real:
            self._real[id(value)] = self._settle(value)
        return self._real[id(value)]

    def _settle(self, value: Moved) -> Node:
        channels = picked_channels(value.base, value.entries)
        if channels is not None:
            return self._select(value.base, tuple(channels.tolist()))
        value = with_batch_first(value)
        if value.entries.shape[0] != 1 or moves_batch(_all_arguments(value.operation)):
            raise UnsupportedGraphError(
                "positions and images of the batch are mixed on one axis; windows of attention are not followed; "
                "leave this part whole with --skip, or search another network"
            )
        source = value.base if value.parent is None else self._node(value.parent)
        if is_regrouping(value.operation):
            for operation in regrouped(source.shape, value.shape):
                source = self._moved_node(operation, source)
            return source
        own = run(value.operation, numbers(source.shape))
        channels = picked_channels(source, own)
        if channels is not None:
            return self._select(source, tuple(channels.tolist()))
        return self._moved_node(value.operation, source)

    def _moved_node(self, operation: Operation, source: Node) -> Node:
        entries = run(operation, numbers(source.shape))
        name = operation.name.rpartition(".")[2].lower()
        return self._write(
            None, name, "", operation, (source,), passage(operation, source, entries), tuple(entries.shape[1:])
        )

    def _select(self, source: Node, channels: tuple[int, ...]) -> Node:
        if channels == tuple(range(source.num_channels)):
            return source
        operation = Operation(kind="Select", arguments={"channels": channels, "axis": source.axis + 1})
        shape = (*source.shape[: source.axis], len(channels), *source.shape[source.axis + 1 :])
        rule = rule_of(operation)
        assert rule is not None
        step = Step(operation=operation, sources=(source,), shape=shape)
        return self._write(None, "select", "", operation, (source,), rule(step), shape)

    def _add(
        self, fx_node: fx.Node, operation: Operation, given: Sequence[fx.Node], known: Passage | None, *, path: str = ""
    ) -> Node:
        """A node for a recorded call."""
        shape = _shape(fx_node)
        sources = self._sources(given, shape)
        step = Step(operation=operation, sources=sources, shape=shape)
        way = known or self._passage(fx_node, step, path)
        return self._write(fx_node, fx_node.name, path, operation, sources, way, shape)

    def _sources(self, given: Sequence[fx.Node], shape: tuple[int, ...]) -> tuple[Node, ...]:
        values = [self._values[item] for item in given]
        nodes = {position: self._node(value) for position, value in enumerate(values) if not isinstance(value, str)}
        axes = [node.axis + len(shape) - len(node.shape) for node in nodes.values() if node.num_channels > 1]
        axis = axes[0] if axes else 0
        for position, value in enumerate(values):
            if isinstance(value, str):
                nodes[position] = self._parameter(value, axis - len(shape))
        return tuple(nodes[position] for position in range(len(values)))

    def _parameter(self, name: str, axis_from_end: int) -> Node:
        """A parameter that stands outside a layer, with its channels where those of its partner are."""
        tensor = self._recording.tensors[name]
        if name not in self.state:
            self.state[name] = tensor.detach()
        shape = (1,) * (-axis_from_end - tensor.dim()) + tuple(tensor.shape)
        axis = len(shape) + axis_from_end
        is_trainable = isinstance(tensor, nn.Parameter)
        operation = Operation(kind="Parameter", arguments={"shape": tuple(tensor.shape), "is_trainable": is_trainable})
        for node in self.nodes:
            if node.path == name and node.axis == axis:
                return node
        return self._write(None, name.replace(".", "_"), name, operation, (), Passage(axis=axis, links=()), shape)

    def _passage(self, fx_node: fx.Node, step: Step, path: str) -> Passage:
        names = {path, _place(fx_node), str(fx_node.meta.get("path", "")), fx_node.name}
        if any(fnmatch(name, pattern) for name in names if name for pattern in self._skip):
            return replace(whole(step, "skipped"), work=_whole_work(step))
        rule = rule_of(step.operation)
        if rule is not None:
            return rule(step)
        if any(self._has_reader[source.index] for source in step.sources):
            raise UnsupportedGraphError(
                f"the operation {step.operation.name} has no rule and reads channels that may be cut; "
                f'leave it whole with --skip "{_place(fx_node)}", or teach a rule (studentsearch.graph.rules.use_rule)'
            )
        return whole(step, "has no rule")

    def _write(
        self,
        fx_node: fx.Node | None,
        name: str,
        path: str,
        operation: Operation,
        sources: tuple[Node, ...],
        way: Passage,
        shape: tuple[int, ...],
    ) -> Node:
        node = Node(
            index=len(self.nodes),
            name=self._fresh(name),
            path=path,
            operation=operation,
            inputs=tuple(source.index for source in sources),
            shape=shape,
            axis=way.axis,
            links=way.links,
            ties=way.ties,
            work=way.work,
            place="" if fx_node is None else _place(fx_node),
            whole=way.whole,
        )
        self.nodes.append(node)
        is_producer = operation.kind in READERS
        self._has_reader.append(is_producer or any(self._has_reader[source.index] for source in sources))
        return node

    def _fresh(self, name: str) -> str:
        fresh, number = name, 1
        while fresh in self._names:
            fresh, number = f"{name}_{number}", number + 1
        self._names.add(fresh)
        return fresh

    def _inputs(self, fx_node: fx.Node) -> tuple[fx.Node, ...]:
        given: list[fx.Node] = []
        encode((fx_node.args, *fx_node.kwargs.values()), _numbering(given), BATCH)
        return tuple(given)


def _place(fx_node: fx.Node) -> str:
    """Where a call stands, for messages and patterns: its module path, and the line of code."""
    if fx_node.op == "call_module":
        return str(fx_node.target)
    path = str(fx_node.meta.get("path", ""))
    return f"{path}.{fx_node.name}" if path else fx_node.name


def _first(fx_node: fx.Node) -> fx.Node:
    (first, *_) = fx_node.all_input_nodes
    return first


def _numbering(given: list[fx.Node]) -> Callable[[fx.Node], int]:
    """Numbers nodes as they come, every mention on its own (`cat([x, x])` reads x twice)."""

    def number(node: fx.Node) -> int:
        given.append(node)
        return len(given) - 1

    return number


def _shape(fx_node: fx.Node) -> tuple[int, ...]:
    value = fx_node.meta["value"]
    # Attention without its weights, and the largest entries without their indices.
    if isinstance(value, tuple) and value and (value[-1] is None or hasattr(value, "indices")):
        value = value[0]
    if not isinstance(value, Tensor) or value.dim() < 2 or value.shape[0] != BATCH:
        found = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        found = found.replace(str(BATCH), "B")
        raise UnsupportedGraphError(
            f"gives {found}; expected one tensor [B, features] or [B, C, ...] an image; "
            "leave this part whole with --skip, or pass on such tensors"
        )
    return tuple(value.shape[1:])


def _packed(fx_node: fx.Node, name: str) -> tuple[object, ...]:
    """Arguments as the function takes them: a method may take sizes one by one."""
    if name in _TAKES_SIZES and len(fx_node.args) > 1 and isinstance(fx_node.args[1], int):
        return (fx_node.args[0], tuple(fx_node.args[1:]))
    return tuple(fx_node.args)


def _named(operation: Operation, fx_node: fx.Node) -> Operation:
    """A call as the operation of the same name that has a kind of its own."""
    arguments = operation.arguments["arguments"]
    assert isinstance(arguments, tuple)
    match operation.name:
        case "torch.add" if arguments == ((INPUT, 0), (INPUT, 1)) and not operation.arguments["options"]:
            return Operation(kind="Add")
        case "torch.cat":
            given = fx_node.kwargs.get("dim", fx_node.args[1] if len(fx_node.args) > 1 else 0)
            assert isinstance(given, int)
            return Operation(kind="Concat", arguments={"axis": given % fx_node.meta["value"].dim()})
        case "torch.nn.functional.dropout" | "torch.dropout":
            given = fx_node.kwargs.get("p", fx_node.args[1] if len(fx_node.args) > 1 else 0.5)
            assert isinstance(given, (int, float))
            return Operation(kind="Dropout", arguments={"p": float(given)})
        case _:
            return operation


def _pads_channels(operation: Operation, fx_node: fx.Node) -> bool:
    """Whether a call of F.pad adds channels of zeros."""
    arguments = operation.arguments["arguments"]
    assert isinstance(arguments, tuple)
    amounts = fx_node.kwargs.get("pad", fx_node.args[1] if len(fx_node.args) > 1 else ())
    rank = fx_node.meta["value"].dim()
    value = fx_node.kwargs.get("value", fx_node.args[3] if len(fx_node.args) > 3 else 0)
    assert isinstance(amounts, (tuple, list))
    return len(amounts) > 2 * (rank - 2) and any(amounts[2 * (rank - 2) :]) and value in (0, None)


def _as_layer(
    kind: str, bound: Mapping[str, object], state: Mapping[str, Tensor], shape: tuple[int, ...], source: fx.Node
) -> Operation:
    """The layer of a functional call, from its arguments and the shapes of its weights."""
    axes = len(shape) - 1
    inputs = source.meta["value"].shape[1]
    match kind:
        case "Linear":
            outputs, features = state["weight"].shape
            values: dict[str, object] = {"in_features": features, "out_features": outputs, "bias": "bias" in state}
        case "BatchNorm":
            kind = f"BatchNorm{max(axes, 1)}d"
            values = {
                "num_features": inputs,
                "eps": bound.get("eps", 1e-5),
                "momentum": bound.get("momentum", 0.1),
                "affine": "weight" in state,
                "track_running_stats": "running_mean" in state,
            }
        case "LayerNorm" | "RMSNorm":
            values = {
                "normalized_shape": bound["normalized_shape"],
                "eps": bound.get("eps", 1e-5 if kind == "LayerNorm" else None),
                "elementwise_affine": "weight" in state,
            }
            if kind == "LayerNorm":
                values["bias"] = "bias" in state
        case "GroupNorm":
            values = {
                "num_groups": bound["num_groups"],
                "num_channels": inputs,
                "eps": bound.get("eps", 1e-5),
                "affine": "weight" in state,
            }
        case "PReLU":
            values = {"num_parameters": state["weight"].numel()}
        case _:
            values = _convolution(kind, bound, state, axes)
    encoded = {name: encode(value, _numbering([]), BATCH) for name, value in values.items()}
    return Operation(kind=kind, arguments=encoded)


def _convolution(kind: str, bound: Mapping[str, object], state: Mapping[str, Tensor], axes: int) -> dict[str, object]:
    weight, groups = state["weight"], bound.get("groups", 1)
    assert isinstance(groups, int)
    first, second = weight.shape[:2]
    is_transposed = kind.startswith("ConvTranspose")
    values: dict[str, object] = {
        "in_channels": first if is_transposed else second * groups,
        "out_channels": second * groups if is_transposed else first,
        "kernel_size": tuple(weight.shape[2:]),
        "stride": bound.get("stride", 1),
        "padding": bound.get("padding", 0),
        "dilation": bound.get("dilation", 1),
        "groups": groups,
        "bias": "bias" in state,
    }
    if is_transposed:
        values["output_padding"] = bound.get("output_padding", 0)
    for name in ("stride", "padding", "dilation", "output_padding"):
        value = values.get(name)
        if isinstance(value, int):
            values[name] = (value,) * axes
        elif isinstance(value, (tuple, list)) and len(value) == 1:
            values[name] = tuple(value) * axes
    return values


def _whole_work(step: Step) -> int:
    """Multiply-accumulates of one output channel of a layer that is left whole."""
    rule = rule_of(step.operation)
    if rule is None:
        return 0
    passage_of_rule = rule(step)
    is_reader = step.operation.kind in READERS and passage_of_rule.ties is None and not passage_of_rule.whole
    is_reader = is_reader and step.operation.arguments.get("groups", 1) == 1
    return passage_of_rule.work * (step.sources[0].num_channels if is_reader else 1)


def _all_arguments(operation: Operation) -> Argument:
    if operation.kind != "Call":
        return None
    return (operation.arguments["arguments"], operation.arguments["options"])
