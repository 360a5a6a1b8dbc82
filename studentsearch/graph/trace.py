"""From a torch module to a `Network`: torch.fx records the calls, `describe` names them, a dry run gives the shapes."""

from __future__ import annotations

import copy

import torch
from torch import fx, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.describe import describe_call, describe_module
from studentsearch.graph.layers import Constant, Select
from studentsearch.graph.network import Network, Node, Operation


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> Network:
    """The network that `module` computes for images of one shape.

    Args:
        module: Any module of one image input and one output that torch.fx can follow; it is not changed.
        input_shape: `[C, H, W]` of one image.

    Returns:
        Its nodes in topological order.

    Raises:
        UnsupportedGraphError: Control flow that depends on values, or an operation without a rule.
    """
    graph_module = _record(module, input_shape)
    modules = dict(module.named_modules())
    positions: dict[fx.Node, int] = {}
    nodes: list[Node] = []
    for fx_node in graph_module.graph.nodes:
        operation = _operation(fx_node, modules)
        shape = _shape(fx_node)
        inputs = tuple(positions[source] for source in _tensors_read(fx_node))
        path = fx_node.target if fx_node.op == "call_module" else ""
        positions[fx_node] = len(nodes)
        nodes.append(
            Node(index=len(nodes), name=fx_node.name, path=path, operation=operation, inputs=inputs, shape=shape)
        )
    _refuse_reused_weights(nodes)
    return Network(nodes=tuple(nodes))


def _record(module: nn.Module, input_shape: tuple[int, ...]) -> fx.GraphModule:
    """The calls of `module` with the shape of each result, computed on the meta device."""
    try:
        copied = copy.deepcopy(module).eval()
        graph_module = fx.GraphModule(copied, _Tracer().trace(copied))
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise UnsupportedGraphError(
            f"{type(module).__name__}: torch.fx cannot follow it ({error}); "
            "move value-dependent control flow out of forward"
        ) from error
    graph_module.graph.eliminate_dead_code()
    graph_module.to("meta", dtype=torch.float32)
    try:
        _Shapes(graph_module).run(torch.zeros(2, *input_shape, device="meta"))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UnsupportedGraphError(
            f"{type(module).__name__}: cannot take an image of shape {input_shape} ({reason}); "
            "give images of the shape that it was made for"
        ) from error
    return graph_module


class _Shapes(fx.Interpreter):
    """Notes the shape of every result, without the batch, as the node's meta entry `shape`."""

    def run_node(self, n: fx.Node) -> object:
        result: object = super().run_node(n)
        if isinstance(result, torch.Tensor) and result.dim() in {2, 4}:
            n.meta["shape"] = tuple(result.shape[1:])
        return result


def _shape(node: fx.Node) -> tuple[int, ...]:
    shape: tuple[int, ...] | None = node.meta.get("shape")
    if shape is None:
        raise UnsupportedGraphError(
            f"{node.name}: not one tensor [B, features] or [B, C, H, W]; "
            "return and pass on one such tensor at every step"
        )
    return shape


class _Tracer(fx.Tracer):
    """Takes our own layers whole, as it does those of torch.nn."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (Select, Constant)) or super().is_leaf_module(m, module_qualified_name)


def _operation(node: fx.Node, modules: dict[str, nn.Module]) -> Operation:
    match node.op:
        case "placeholder":
            return Operation(kind="Input")
        case "output":
            return Operation(kind="Output")
        case "call_module":
            return describe_module(modules[str(node.target)], str(node.target))
        case "call_function" | "call_method":
            return describe_call(node)
        case _:
            raise UnsupportedGraphError(
                f"{node.target}: a parameter outside a layer has no rule; wrap it in a torch.nn layer"
            )


def _tensors_read(node: fx.Node) -> tuple[fx.Node, ...]:
    """Nodes among the arguments in order, repeats kept (`cat([x, x])` reads x twice)."""
    found: list[fx.Node] = []

    def note(argument: fx.Node) -> fx.Node:
        found.append(argument)
        return argument

    fx.node.map_arg((node.args, node.kwargs), note)
    return tuple(found)


def _refuse_reused_weights(nodes: list[Node]) -> None:
    seen: dict[str, Node] = {}
    for node in nodes:
        if node.operation.kind in {"Conv2d", "Linear", "BatchNorm1d", "BatchNorm2d"}:
            if node.path in seen:
                raise UnsupportedGraphError(
                    f"{node.path}: called twice ({seen[node.path].name} and {node.name}); "
                    "shared weights have no rule yet, give each call its own layer"
                )
            seen[node.path] = node
