"""From a spec to a module of plain torch.nn layers at their original paths; the forward pass is generated code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, fx, nn

from studentsearch.errors import InputFileError
from studentsearch.graph.describe import LAYERS
from studentsearch.student.spec import Step, StudentSpec

LAYER_KINDS: dict[str, Callable[..., nn.Module]] = {layer.__name__: layer for layer in LAYERS}


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
    graph = fx.Graph()
    values: dict[str, fx.Node] = {}
    for step in spec.steps:
        inputs = tuple(values[name] for name in step.inputs)
        match step.operation.kind:
            case "Input":
                values[step.name] = graph.placeholder(step.name)
            case "Concat":
                values[step.name] = graph.call_function(torch.cat, (inputs, 1))
            case "Add":
                values[step.name] = graph.call_function(torch.add, inputs)
            case "Output":
                graph.output(inputs[0])
            case _:
                _place(root, step.path, _layer(step))
                values[step.name] = graph.call_module(step.path, inputs)
    return fx.GraphModule(root, graph, class_name="Student")


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
    kind = step.operation.kind
    if kind not in LAYER_KINDS:
        raise InputFileError(f"{step.path}: layer kind {kind} is unknown to this version; update studentsearch")
    return LAYER_KINDS[kind](**step.operation.arguments)


def _place(root: nn.Module, path: str, layer: nn.Module) -> None:
    """Put a layer at a dotted path, with plain modules as the containers between."""
    parent = root
    *containers, name = path.split(".")
    for container in containers:
        if not hasattr(parent, container):
            parent.add_module(container, nn.Module())
        parent = getattr(parent, container)
    parent.add_module(name, layer)
