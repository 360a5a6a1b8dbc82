"""From a spec to a module of plain torch.nn layers at their original paths; the forward pass is generated code."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, fx, nn

from studentsearch.errors import InputFileError
from studentsearch.graph.arguments import INPUT, Argument, decode, mentions_batch
from studentsearch.graph.layer_classes import layer_class, make_layer
from studentsearch.graph.network import Operation
from studentsearch.graph.operations.table import function_of
from studentsearch.student.spec import Step, StudentSpec

WHOLE_NUMBERS: Mapping[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
}
"""Types of the tensors outside layers that are not in the student's own precision."""


def build(spec: StudentSpec) -> nn.Module:
    """The student as a module with fresh weights.

    Args:
        spec: Its architecture.

    Returns:
        A module whose parameters are named as in the network it was cut from.

    Raises:
        InputFileError: The spec has an operation that this version does not know.
    """
    root = nn.Module()
    for step in sorted(spec.steps, key=lambda step: step.path.count(".")):
        if step.operation.kind == "Parameter":
            _place_parameter(root, step)
        elif step.path and not _is_there(root, step.path):
            _place(root, step.path, _layer(step))
    graph = fx.Graph()
    values: dict[str, fx.Node] = {}
    for step in spec.steps:
        values[step.name] = add_step(graph, step, tuple(values[name] for name in step.inputs))
    return fx.GraphModule(root, graph, class_name="Student")


def add_step(graph: fx.Graph, step: Step, inputs: tuple[fx.Node, ...]) -> fx.Node:
    """Write one step of a forward pass.

    Args:
        graph: What was written so far.
        step: A step.
        inputs: The nodes of the steps that it reads.

    Returns:
        Its node.
    """
    operation = step.operation
    match operation.kind:
        case "Input":
            return graph.placeholder(step.name)
        case "Parameter":
            return graph.get_attr(step.path)
        case "Concat":
            return graph.call_function(torch.cat, (inputs, operation.arguments["axis"]))
        case "Add":
            return graph.call_function(torch.add, inputs)
        case "Output":
            return cast(fx.Node, graph.output(answer(operation, inputs)))
        case "Call":
            batch = _batch(graph) if mentions_batch(operation.arguments["arguments"]) else None
            arguments = cast(tuple[fx.node.Argument, ...], decode(operation.arguments["arguments"], inputs, batch))
            options = cast(tuple[tuple[str, Argument], ...], operation.arguments["options"])
            named = {name: cast(fx.node.Argument, decode(value, inputs, batch)) for name, value in options}
            return graph.call_function(function_of(operation), arguments, named)
        case "MultiheadAttention":
            attended = graph.call_module(step.path, inputs, {"need_weights": False})
            return graph.call_function(operator.getitem, (attended, 0))
        case _:
            return graph.call_module(step.path, inputs)


def answer(output: Operation, inputs: tuple[fx.Node, ...]) -> fx.node.Argument:
    """What a forward pass returns: one tensor, or several as the network groups them."""
    structure = output.arguments.get("structure", (INPUT, 0))
    return cast(fx.node.Argument, decode(structure, inputs, None))


def _batch(graph: fx.Graph) -> fx.Node:
    """The batch size, as the size of the first input's first axis."""
    first = next(node for node in graph.nodes if node.op == "placeholder")
    return graph.call_method("size", (first, 0))


def build_with_weights(spec: StudentSpec, tensors: Mapping[str, Tensor], *, source: str = "student") -> nn.Module:
    """The student with its weights, in evaluation mode.

    Args:
        spec: Its architecture.
        tensors: Its state by name; their dtype becomes the module's.
        source: Where the weights come from, for the message.

    Returns:
        The module.

    Raises:
        InputFileError: Weights that do not fit the architecture.
    """
    module = build(spec)
    floating = [tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()]
    if floating:
        module = module.to(floating[0])
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise InputFileError(
            f"{source}: weights do not fit the architecture: {str(error).splitlines()[1].strip()}"
        ) from error
    return module.eval()


def _layer(step: Step) -> nn.Module:
    if layer_class(step.operation.kind) is None:
        raise InputFileError(
            f"{step.path}: layer kind {step.operation.kind} is unknown to this version; update studentsearch"
        )
    return make_layer(step.operation)


def _is_there(root: nn.Module, path: str) -> bool:
    """Whether a layer, not merely a container, stands at a path: a layer that is called twice is made once."""
    found: object = root
    for name in path.split("."):
        found = getattr(found, name, None)
    return isinstance(found, nn.Module) and type(found) is not nn.Module


def _container(root: nn.Module, path: str) -> nn.Module:
    parent = root
    for name in path.split(".")[:-1]:
        if not hasattr(parent, name):
            parent.add_module(name, nn.Module())
        parent = getattr(parent, name)
    return parent


def _place(root: nn.Module, path: str, layer: nn.Module) -> None:
    """Put a layer at a dotted path, with plain modules as the containers between."""
    _container(root, path).add_module(path.rpartition(".")[2], layer)


def _place_parameter(root: nn.Module, step: Step) -> None:
    shape, named = step.operation.integers("shape"), step.operation.arguments.get("dtype")
    dtype = None if named is None else WHOLE_NUMBERS[str(named)]
    parent, name = _container(root, step.path), step.path.rpartition(".")[2]
    if {**parent._parameters, **parent._buffers}.get(name) is not None:  # a layer's own, which an operation reads too
        return
    if step.operation.arguments["is_trainable"]:
        parent.register_parameter(name, nn.Parameter(torch.zeros(shape, dtype=dtype)))
    else:
        parent.register_buffer(name, torch.zeros(shape, dtype=dtype))
