"""The record of one operation: everything that the tool knows of it. A new operation is one such record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from torch import Tensor, nn

from studentsearch.graph.operations.constants import ENTRY_BY_ENTRY, NOT_FOLDED, OnConstants
from studentsearch.graph.operations.propagation import Applied, Propagation, PropagationRule, elementwise
from studentsearch.graph.operations.shrinking import Shrinking, WeightAxes


class Family(Enum):
    """What kind of work an operation does, for those who ask for all of a kind."""

    CONVOLUTION = auto()
    TRANSPOSED_CONVOLUTION = auto()
    LINEAR = auto()
    BATCH_NORM = auto()
    NORM = auto()
    ACTIVATION = auto()
    ARITHMETIC = auto()
    COMPARISON = auto()  # gives masks or integers, no floating-point numbers
    DROPOUT = auto()
    POOLING = auto()
    RESIZING = auto()  # the output may have the size of the input by chance
    PADDING = auto()
    REDUCTION = auto()
    PRODUCT = auto()
    MOVEMENT = auto()
    STRUCTURE = auto()  # kinds of ours: inputs, outputs, what joins and picks channels
    OTHER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What an operation that computes nothing does with entries.

    Attributes:
        regroups: Joins and splits axes, and is written as the axes that it joins and splits.
        permutes: Exchanges axes.
        commutes: The same words do it to fewer channels; without it, it picks entries of these channels only.
        splits: Gives several tensors, each a part of the input.
        holds_at_every_size: The same words do it to images of other sizes.
    """

    regroups: bool = False
    permutes: bool = False
    commutes: bool = False
    splits: bool = False
    holds_at_every_size: bool = False


class RecordedAs(Enum):
    """What becomes of a recorded call of the operation."""

    ITSELF = auto()
    ITS_INPUT = auto()  # it changes type, memory or history, which a student does not copy
    MOVEMENT_OF_AXES = auto()  # its words hold for these sizes alone; written with the axes that it changes
    EXTREME = auto()  # torch.max: of two tensors torch.maximum, along an axis torch.amax


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCall:
    """A recorded call of a function that computes a layer.

    Attributes:
        arguments: By name of the function's parameter.
        tensors: Those of the layer, by role.
        shape: What the call makes, without the batch.
        num_inputs: Channels of its input.
    """

    arguments: Mapping[str, object]
    tensors: Mapping[str, Tensor]
    shape: tuple[int, ...]
    num_inputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWords:
    """A layer by its class and the arguments of its constructor, as torch takes them."""

    kind: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerForm:
    """How a function of torch is written as the layer that computes the same.

    Attributes:
        parameters: The function's parameters in order.
        layer: The layer; a module where its own constructor completes the arguments.
        roles: Parameters that are tensors of the layer.
        completed: The tensors of a call, by role, with those that the layer has and the call may lack.
        reads_statistics: Whether a call reads `running_mean` and `running_var`, and not statistics of the batch.
    """

    parameters: tuple[str, ...]
    layer: Callable[[LayerCall], LayerWords | nn.Module]
    roles: tuple[str, ...] = ()
    completed: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
    reads_statistics: Callable[[Mapping[str, object]], bool] = lambda _: True


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """What is known of one operation.

    Attributes:
        name: A class of torch.nn (`Conv2d`), the public name of a function (`torch.special.erf`, `Tensor.to`), or a
            kind of ours (`Concat`).
        family: What kind of work it does.
        propagate: How channels pass; None for what keeps all channels of what it reads, and is refused behind gates.
        macs: Multiply-accumulates of one output channel; of a reader, of one output channel and one input entry.
        paper_cost: Operations an element that the count of Gu and Tresp 2020 adds to multiply-accumulates.
        on_constants: What it makes of constants.
        shrinking: How it is written for fewer channels; None where nothing of it counts channels.
        weight_axes: Where its weight has the channels that it mixes, each of which may have a gate: a reader.
        keeps_shape: Whether its output has the shape of its first input, for images of every size; known of elementwise
            operations without it.
        has_tensors: Whether it has tensors of its own, so that calls at one path must agree.
        has_parts: Whether its tensors lie in parts of it (attention); it is then kept as it is.
        is_permitted: Whether a student from a file may contain it.
        is_homogeneous: Whether f(c x) = c f(x) for c > 0, so that a scale of the input passes to the output.
        is_counted_by_thop: Whether thop counts its multiply-accumulates, rightly.
        movement: What it does with entries, where it computes nothing.
        recorded_as: What becomes of a recorded call.
        packs_sizes: Whether the method takes sizes one by one that the function takes as a tuple.
        layer_form: How a call is written as a layer; no node has then this operation.
    """

    name: str
    family: Family = Family.OTHER
    propagate: PropagationRule | None = None
    macs: Callable[[Applied, Propagation], int] | None = None
    paper_cost: int = 0
    on_constants: OnConstants = NOT_FOLDED
    shrinking: Shrinking | None = None
    weight_axes: WeightAxes | None = None
    keeps_shape: bool = False
    has_tensors: bool = False
    has_parts: bool = False
    is_permitted: bool = True
    is_homogeneous: bool = False
    is_counted_by_thop: bool = True
    movement: Movement | None = None
    recorded_as: RecordedAs = RecordedAs.ITSELF
    packs_sizes: bool = False
    layer_form: LayerForm | None = None

    @property
    def is_elementwise(self) -> bool:
        """Whether output i takes entry i of every input, so that inputs of size 1 along an axis are repeated."""
        return self.propagate is elementwise

    @property
    def is_function(self) -> bool:
        """Whether it is a function, and no layer or kind of ours."""
        return "." in self.name


def elementwise_operation(
    name: str, family: Family = Family.ARITHMETIC, *, is_homogeneous: bool = False
) -> OperationRecord:
    """The record of an operation on entries: output i takes entry i of every input.

    Args:
        name: A class of torch.nn, or the public name of a function.
        family: What kind of work it does.
        is_homogeneous: Whether f(c x) = c f(x) for c > 0.

    Returns:
        The record.
    """
    return OperationRecord(
        name=name,
        family=family,
        propagate=elementwise,
        on_constants=NOT_FOLDED if family is Family.COMPARISON else ENTRY_BY_ENTRY,
        is_homogeneous=is_homogeneous,
    )


def as_layer(name: str, form: LayerForm, *, is_permitted: bool = False) -> OperationRecord:
    """The record of a function whose calls are written as a layer.

    Args:
        name: The public name of the function.
        form: How.
        is_permitted: Whether a student from a file may call the function all the same.

    Returns:
        The record.
    """
    return OperationRecord(name=name, layer_form=form, is_permitted=is_permitted)


def ungated(names: Iterable[str]) -> Iterator[OperationRecord]:
    """The records of pure functions and layers that keep all channels of what they read, wherever they stand."""
    return (OperationRecord(name=name) for name in names)
