"""Functions of torch that compute a layer, written as that layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, fx, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.network import Operation
from studentsearch.graph.operations.operation_record import LayerCall, LayerForm
from studentsearch.graph.recording.describe import describe_module
from studentsearch.graph.recording.encoding import encode
from studentsearch.graph.recording.operands import Value
from studentsearch.graph.recording.record import RECORDED_BATCH
from studentsearch.graph.recording.recorded_calls import numbering, shape_of


def names_of_tensors(
    name: str, form: LayerForm, bound: Mapping[str, object], values: Mapping[fx.Node, Value]
) -> dict[str, str]:
    """The names of the tensors that a functional call gives to its layer.

    Args:
        name: The function's public name.
        form: How its calls are written as a layer.
        bound: The call's arguments by name.
        values: What recorded tensors are.

    Returns:
        Names by role; without statistics that the call does not read.

    Raises:
        UnsupportedGraphError: One is computed from the image.
    """
    names: dict[str, str] = {}
    for role in form.roles:
        tensor = bound.get(role)
        if tensor is None:
            continue
        value = values[tensor] if isinstance(tensor, fx.Node) else None
        if not isinstance(value, str):
            raise UnsupportedGraphError(
                f"{name} with a {role} that is computed from the image; expected a parameter; "
                "write the part as a product or a sum of tensors"
            )
        names[role] = value
    if form.reads_statistics(bound):
        return names
    # Statistics of the batch or image; those that are kept are not read.
    return {role: name for role, name in names.items() if not role.startswith("running_")}


def layer_of_call(
    name: str, form: LayerForm, bound: Mapping[str, object], tensors: Mapping[str, Tensor], fx_node: fx.Node
) -> Operation:
    """The layer of a functional call, from its arguments and the shapes of its weights.

    Args:
        name: The function's public name.
        form: How its calls are written as a layer.
        bound: The call's arguments by name.
        tensors: Its weights by role.
        fx_node: The recorded call.

    Returns:
        The layer.

    Raises:
        UnsupportedGraphError: A norm over one value, or over none.
    """
    source = bound["input"]
    assert isinstance(source, fx.Node)
    called = LayerCall(
        arguments=bound, tensors=tensors, shape=shape_of(fx_node), num_inputs=source.meta["value"].shape[1]
    )
    layer = form.layer(called)
    if isinstance(layer, nn.Module):
        return describe_module(layer, name)
    encoded = {key: encode(value, numbering([]), RECORDED_BATCH) for key, value in layer.arguments.items()}
    return Operation(kind=layer.kind, arguments=encoded)
