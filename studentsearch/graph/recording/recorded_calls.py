"""Recorded calls read: where they stand, what they give, and their arguments as torch's functions take them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, fx, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import INPUT, Argument
from studentsearch.graph.network import Operation, call
from studentsearch.graph.operations.operation_record import OperationRecord, RecordedAs
from studentsearch.graph.operations.table import OPERATIONS
from studentsearch.graph.recording.encoding import encode, function_name
from studentsearch.graph.recording.record import RECORDED_BATCH

MIXED = (
    "positions and images of the batch are mixed on one axis; windows of attention are not followed; "
    "search another network, or write the windows as an axis of their own"
)
TAKEN_APART = (
    "takes the images of a batch apart or puts batches together; expected the same for every image; "
    "move it out of forward"
)
_SYNONYMS = {"axis": "dim", "keepdims": "keepdim"}
_UNKNOWN = OperationRecord(name="", is_permitted=False)


def known_of(name: str) -> OperationRecord:
    """The record of a function, or one that says nothing."""
    return OPERATIONS.get(name, _UNKNOWN)


def location_of(fx_node: fx.Node) -> str:
    """Where a call stands, for messages and patterns: its module path, and the line of code."""
    if fx_node.op == "call_module":
        return str(fx_node.target)
    path = str(fx_node.meta.get("path", ""))
    return f"{path}.{fx_node.name}" if path else fx_node.name


def first_read(fx_node: fx.Node) -> fx.Node:
    """The first tensor that a call reads."""
    (first, *_) = fx_node.all_input_nodes
    return first


def numbering(given: list[fx.Node]) -> Callable[[fx.Node], int]:
    """Numbers nodes as they come, every mention on its own (`cat([x, x])` reads x twice)."""

    def number(node: fx.Node) -> int:
        given.append(node)
        return len(given) - 1

    return number


def shape_of(fx_node: fx.Node) -> tuple[int, ...]:
    """The shape of what a call gives for one image.

    Args:
        fx_node: A recorded call.

    Returns:
        Without the batch.

    Raises:
        UnsupportedGraphError: It does not give one tensor of the batch's images.
    """
    value = fx_node.meta["value"]
    # Attention without its weights, and the largest entries without their indices.
    is_extreme = known_of(function_name(fx_node.target) or "").recorded_as is RecordedAs.EXTREME
    if isinstance(value, tuple) and value and (value[-1] is None or is_extreme):
        value = value[0]
    if (
        isinstance(value, Tensor)
        and value.dim()
        and value.shape[0] > RECORDED_BATCH
        and value.shape[0] % RECORDED_BATCH == 0
    ):
        raise UnsupportedGraphError(MIXED)
    if not isinstance(value, Tensor) or value.dim() < 2 or value.shape[0] != RECORDED_BATCH:
        found = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        found = found.replace(str(RECORDED_BATCH), "B")
        raise UnsupportedGraphError(
            f"gives {found}; expected one tensor [B, features] or [B, C, ...] an image; "
            "write the part so that it passes on such tensors"
        )
    return tuple(value.shape[1:])


def packed_arguments(fx_node: fx.Node, name: str) -> tuple[object, ...]:
    """Arguments as the function takes them: a method may take sizes one by one."""
    if known_of(name).packs_sizes and len(fx_node.args) > 1 and isinstance(fx_node.args[1], int):
        return (fx_node.args[0], tuple(fx_node.args[1:]))
    return tuple(fx_node.args)


def with_torch_names(fx_node: fx.Node) -> None:
    """Rename the named arguments that torch takes under numpy's names as well (`axis`, `keepdims`)."""
    fx_node.kwargs = {_SYNONYMS.get(name, name): value for name, value in fx_node.kwargs.items()}


def changes_kind(fx_node: fx.Node) -> bool:
    """Whether a change of type makes floating-point numbers of others, or others of these; a student keeps its own."""
    before, after = first_read(fx_node).meta["value"].dtype, fx_node.meta["value"].dtype
    return before != after and not (before.is_floating_point and after.is_floating_point)


def _number_like(fx_node: fx.Node) -> fx.Node:
    """The tensor whose type a call gives to a mask or to integers (`(x > 0).float()`): what these were made of.

    Args:
        fx_node: A recorded call that makes floating-point numbers of its first tensor.

    Returns:
        A tensor of floating-point numbers.

    Raises:
        UnsupportedGraphError: Nothing of the kind is found.
    """
    made_of = first_read(fx_node)
    seen = [made_of]
    for node in seen:
        if isinstance(node.meta["value"], Tensor) and node.meta["value"].is_floating_point() and node.op != "get_attr":
            return node
        seen += (item for item in node.all_input_nodes if item not in seen)
    raise UnsupportedGraphError(
        f"makes {fx_node.meta['value'].dtype} of {made_of.meta['value'].dtype}; expected a tensor computed from "
        "floating-point numbers; compute it with torch.where"
    )


def retyping(fx_node: fx.Node) -> tuple[Operation, tuple[fx.Node, ...]]:
    """A mask or integers made into numbers, or the other way round.

    Args:
        fx_node: A recorded call for which `changes_kind` holds.

    Returns:
        The operation, and the tensors that it reads.
    """
    dtype, source = fx_node.meta["value"].dtype, first_read(fx_node)
    if not dtype.is_floating_point:
        return call("Tensor.to", (INPUT, 0), encode(dtype, numbering([]), RECORDED_BATCH)), (source,)
    return call("Tensor.type_as", (INPUT, 0), (INPUT, 1)), (source, _number_like(fx_node))


def attribute_operation(fx_node: fx.Node) -> Operation:
    """What is read from a tensor without a call, as the movement that it is.

    Args:
        fx_node: A recorded `getattr`.

    Returns:
        The movement.

    Raises:
        UnsupportedGraphError: Another attribute than `mT`.
    """
    name = fx_node.args[1]
    if name != "mT":
        raise UnsupportedGraphError(
            f"the attribute {name} of a tensor has no rule; expected calls of torch; write it with these"
        )
    return call("torch.transpose", (INPUT, 0), -2, -1)


def of_axes(name: str, fx_node: fx.Node) -> Operation | None:
    """A movement by sizes as one that names no number of channels.

    `squeeze()` drops every axis of size 1 but that of the batch, so a student answers a batch of one image as it
    answers any other; of `squeeze(dim)` only what drops something is left, since an axis cut to one channel stays.

    Args:
        name: One that is recorded as `RecordedAs.MOVEMENT_OF_AXES`.
        fx_node: Its recorded call.

    Returns:
        The movement of the first tensor, None where it changes nothing.
    """
    before, after = first_read(fx_node).meta["value"].shape, fx_node.meta["value"].shape
    match name:
        case "torch.squeeze":
            given = fx_node.kwargs.get("dim", fx_node.args[1] if len(fx_node.args) > 1 else tuple(range(len(before))))
            dims = given if isinstance(given, (tuple, list)) else (given,)
            axes = sorted(dim % len(before) for dim in dims if isinstance(dim, int) and before[dim] == 1)
            return call("torch.squeeze", (INPUT, 0), axes[0] if len(axes) == 1 else tuple(axes)) if axes else None
        case "Tensor.view_as" | "Tensor.reshape_as":
            return call("torch.reshape", (INPUT, 0), encode(tuple(after), numbering([]), RECORDED_BATCH))
        case _ if before == after:
            return None
        case _:
            is_alike = len(before) == len(after)
            sizes = tuple(-1 if is_alike and before[axis] == size else size for axis, size in enumerate(after))
            return call("Tensor.expand", (INPUT, 0), encode(sizes, numbering([]), RECORDED_BATCH))


def named_operation(operation: Operation, fx_node: fx.Node) -> Operation:
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
        case _:
            return operation


def pieces_of(fx_node: fx.Node) -> tuple[Operation, ...]:
    """The parts of chunk, split or unbind, each as a movement of its own.

    Args:
        fx_node: A recorded call of one of these.

    Returns:
        For each part what makes it of the source.

    Raises:
        UnsupportedGraphError: It takes the batch apart.
    """
    source = fx_node.args[0]
    assert isinstance(source, fx.Node)
    is_unbind = function_name(fx_node.target) == "torch.unbind"
    position = 1 if is_unbind else 2
    given = fx_node.kwargs.get("dim", fx_node.args[position] if len(fx_node.args) > position else 0)
    assert isinstance(given, int)
    tensor = source.meta["value"]
    if tensor.shape[given] % RECORDED_BATCH == 0:
        raise UnsupportedGraphError(TAKEN_APART)
    dim, start, parts = given % tensor.dim(), 0, []
    for piece in fx_node.meta["value"]:
        length = 1 if is_unbind else piece.shape[dim]
        end = () if is_unbind else (length,)
        parts.append(call("torch.select" if is_unbind else "torch.narrow", (INPUT, 0), dim, start, *end))
        start += length
    return tuple(parts)


def pads_channels(operation: Operation, fx_node: fx.Node) -> bool:
    """Whether a call of F.pad adds channels of zeros."""
    arguments = operation.arguments["arguments"]
    assert isinstance(arguments, tuple)
    amounts = fx_node.kwargs.get("pad", fx_node.args[1] if len(fx_node.args) > 1 else ())
    rank = fx_node.meta["value"].dim()
    value = fx_node.kwargs.get("value", fx_node.args[3] if len(fx_node.args) > 3 else 0)
    assert isinstance(amounts, (tuple, list))
    return len(amounts) > 2 * (rank - 2) and any(amounts[2 * (rank - 2) :]) and value in (0, None)


def indexing(fx_node: fx.Node, name: str, table: Tensor | None) -> Operation:
    """Indexing by a table of numbers along one axis, as the selection that it is.

    Args:
        fx_node: A recorded call of torch.index_select, or of indexing.
        name: Its public name.
        table: The numbers; None where there are several tables, or one that is computed from the image.

    Returns:
        A `Select`.

    Raises:
        UnsupportedGraphError: Any other indexing.
    """
    index = fx_node.args[1] if name == "operator.getitem" else None
    parts = index if isinstance(index, tuple) else (index,)
    if name == "torch.index_select":
        dim = fx_node.kwargs.get("dim", fx_node.args[1] if len(fx_node.args) > 1 else 0)
    else:
        dim = next((position for position, part in enumerate(parts) if isinstance(part, fx.Node)), 0)
    others = [part for part in parts if not isinstance(part, fx.Node)]
    is_plain = name == "torch.index_select" or all(part == slice(None) for part in others)
    if table is None or not is_plain or not isinstance(dim, int):
        raise UnsupportedGraphError(
            f"{name} by several tables or by one that is computed from the image; expected one table of numbers "
            "along one axis; write it with torch.narrow, torch.chunk or such indexing"
        )
    picked = tuple(int(number) for number in table.flatten().tolist())
    return Operation(kind="Select", arguments={"channels": picked, "axis": dim % fx_node.meta["value"].dim()})


def parameter_operation(tensor: Tensor) -> Operation:
    """The operation of a tensor that stands outside a layer."""
    is_trainable = isinstance(tensor, nn.Parameter)
    arguments: dict[str, Argument] = {"shape": tuple(tensor.shape), "is_trainable": is_trainable}
    if not tensor.is_floating_point():
        arguments["dtype"] = str(tensor.dtype).removeprefix("torch.")
    return Operation(kind="Parameter", arguments=arguments)
