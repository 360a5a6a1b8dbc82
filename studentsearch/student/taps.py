"""Plain networks that show feature maps on the way to their answer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.layer_classes import layer_class, make_layer
from studentsearch.graph.layers import Select
from studentsearch.graph.network import Network, Node
from studentsearch.graph.operations.table import record_of
from studentsearch.student.build import add_step, answer
from studentsearch.student.spec import Step


def tapped(module: nn.Module, network: Network, nodes: Sequence[str]) -> fx.GraphModule:
    """A network of plain layers that gives feature maps beside its answer.

    Its forward pass is written from the trace, node by node, so that a node's name means the same in both. Layers,
    parameters and buffers are the module's own: training either trains both, and `train()` or `eval()` of the module
    holds for both. Plain layers never write in place, so a map stays what its node computed.

    Args:
        module: A network of plain layers (`plain_network`, `build`), on the device where it will run.
        network: Its trace, or the trace that it was written from.
        nodes: Names of nodes of the trace; one may stand several times.

    Returns:
        A module that gives `(answer, (map, map, ...))`, maps in the order of `nodes`.

    Raises:
        UnsupportedGraphError: The trace has a layer with weights that the module lacks.
    """
    extra = nn.Module()
    graph = fx.Graph()
    values: dict[int, fx.Node] = {}
    for node in network.nodes[:-1]:
        step = Step(
            name=node.name,
            path=_path(module, node, extra),
            operation=node.operation,
            inputs=tuple(network.nodes[index].name for index in node.inputs),
        )
        values[node.index] = add_step(graph, step, tuple(values[index] for index in node.inputs))
    end = network.nodes[-1]
    by_name = {node.name: values[node.index] for node in network.nodes[:-1]}
    maps = tuple(by_name[name] for name in nodes)
    graph.output((answer(end.operation, tuple(values[index] for index in end.inputs)), maps))
    return _with_layers_of(module, graph, extra)


def _path(module: nn.Module, node: Node, extra: nn.Module) -> str:
    """Where the layer of a node stands: in the module, or among the extra ones, which have no weights."""
    if not node.operation.is_layer:
        return node.path
    path = node.path or node.name
    if _computes(_submodule(module, path), node):
        return path
    layer = layer_class(node.operation.kind)
    record = record_of(node.operation)
    if layer is None or (record is not None and record.has_tensors):
        raise UnsupportedGraphError(
            f"{path}: the module has no layer {node.operation.kind} there, the trace has; "
            "trace the module itself, or name no feature points"
        )
    device = next((parameter.device for parameter in module.parameters()), None)
    name = f"{node.name}_of_the_trace"
    extra.add_module(name, make_layer(node.operation).to(device).train(module.training))
    return name


def _computes(layer: nn.Module | None, node: Node) -> bool:
    if isinstance(layer, Select):
        return tuple(layer.channels.tolist()) == node.operation.arguments["channels"]
    return type(layer).__name__ == node.operation.kind


def _submodule(module: nn.Module, path: str) -> nn.Module | None:
    found: object = module
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, nn.Module) else None


def _with_layers_of(module: nn.Module, graph: fx.Graph, extra: nn.Module) -> fx.GraphModule:
    """A graph module that holds the very containers, layers, parameters and buffers of `module`."""
    root = nn.Module()
    for name, child in (*module.named_children(), *extra.named_children()):
        root.add_module(name, child)
    # The very dictionaries: a buffer is replaced, not changed, when a module moves to another device.
    root._parameters, root._buffers, root.training = module._parameters, module._buffers, module.training
    showing = fx.GraphModule(root, graph, class_name="Tapped")
    showing._parameters, showing._buffers = root._parameters, root._buffers
    # fx made containers of its own around the layers.
    for name, child in root.named_children():
        setattr(showing, name, child)
    return showing
