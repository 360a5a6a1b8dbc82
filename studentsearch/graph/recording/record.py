"""From a torch module to the calls of its forward: an fx graph without in-place writes, each node with its shape.

The forward runs on a copy of the module on the meta device, so that plain Python decides whatever depends on shapes; a
torch function mode notes each call on a tensor that depends on an image.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.recording.calls import Call, map_leaves, tensors_in, without_dataclasses
from studentsearch.graph.recording.constants import Constants
from studentsearch.graph.recording.dropouts import announced, dropout_of
from studentsearch.graph.recording.leaves import is_leaf, refuse_unfollowed
from studentsearch.graph.recording.recorded_graph import RecordedGraph
from studentsearch.graph.recording.source_locations import SourceLocation, error_in_words

RECORDED_BATCH = 1009
"""Images in the recorded batch: a prime that no channel count or size is, so that its multiples come from the batch."""

_READS_VALUES = frozenset({
    *("__array__", "__bool__", "__complex__", "__contains__", "__float__", "__index__", "__int__", "item", "tolist"),
    *("allclose", "equal", "is_nonzero", "masked_select", "nonzero", "numpy", "unique", "unique_consecutive"),
})
_NEW = frozenset({"new_empty", "new_full", "new_ones", "new_tensor", "new_zeros"})
_SAME_VALUE = frozenset({"clone", "detach", "detach_", "requires_grad_"})
_RANDOM = frozenset({
    *("bernoulli", "multinomial", "normal", "rand", "randint", "randn", "randperm"),
    *("bernoulli_", "exponential_", "normal_", "random_", "uniform_"),
})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The calls of a forward pass in evaluation mode, without in-place writes and dead code.

    Each node's meta has `value` (its result on the meta device, `[RECORDED_BATCH, ...]`, or a tuple, list or dict of
    such), `path` (the module whose forward made the call) and `line` (`net.py:17`, or empty where only torch's code
    ran).

    Attributes:
        graph: Its nodes; a call_module node names one of `modules`, a get_attr node one of `tensors`.
        modules: Leaf modules by path, as they are in the recorded module, and a layer for each dropout that is called
            as a function.
        tensors: Parameters, buffers and other tensors by path, as they are in the recorded module, and what was
            computed from these alone.
    """

    graph: fx.Graph
    modules: Mapping[str, nn.Module]
    tensors: Mapping[str, Tensor]


def record(module: nn.Module, *input_shapes: tuple[int, ...]) -> Recording:
    """The calls that `module` makes in evaluation mode for images of the given shapes.

    Args:
        module: Any module whose control flow depends on shapes alone; it is neither changed nor run.
        *input_shapes: The shape of each argument of forward without the batch, as `[C, H, W]`.

    Returns:
        The calls in the order in which they were made.

    Raises:
        UnsupportedGraphError: Images that the module cannot take, or a forward that cannot be followed; names the
            module and the line.
    """
    refuse_unfollowed(module)
    recorder = _Recorder(module)
    try:
        with torch.no_grad(), announced(module):
            recorder.follow([torch.empty(RECORDED_BATCH, *shape, device="meta") for shape in input_shapes])
    except UnsupportedGraphError:
        raise
    except Exception as error:
        reason = error_in_words(error, name=type(module).__name__, path=recorder.path, input_shapes=input_shapes)
        raise UnsupportedGraphError(reason) from error
    graph = recorder.recorded.graph
    # Backward, so that what only dead code reads is dead in turn.
    for node in reversed(graph.nodes):
        if not node.users and node.op not in {"placeholder", "output"}:
            graph.erase_node(node)
    paths = (str(node.target) for node in graph.nodes if node.op == "call_module")
    names = (str(node.target) for node in graph.nodes if node.op == "get_attr")
    return Recording(
        graph=graph,
        modules={path: recorder.layer(path) for path in paths},
        tensors={name: recorder.recorded.tensors[name] for name in names},
    )


class _Recorder(TorchFunctionMode):
    """Follows one forward pass and notes its calls."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module
        self._constants = Constants(module)
        self._location = SourceLocation(type(module).__name__, _Recorder.follow.__code__)
        self._dropouts: dict[str, nn.Module] = {}
        self._is_inside_leaf = False
        self.recorded = RecordedGraph(self._constants, self._location)

    @property
    def path(self) -> str:
        """The module whose forward runs."""
        return self._location.path

    def layer(self, path: str) -> nn.Module:
        """A leaf module, or what was made of a function."""
        return self._dropouts[path] if path in self._dropouts else self._module.get_submodule(path)

    def follow(self, inputs: list[Tensor]) -> None:
        """Note all calls, from the placeholders to the output."""
        copied = self._copied()
        for name, value in zip(_argument_names(copied, len(inputs)), inputs, strict=True):
            self.recorded.placeholder(name, value)
        leaf = None
        for path, part in copied.named_modules():
            # What lies inside a leaf (the output layer of an attention) is not called by a forward that is followed.
            if leaf is None or not path.startswith(f"{leaf}."):
                leaf = path if path and is_leaf(part) else None
                self._watch(path, part, is_leaf=leaf is not None)
        with self:
            answer = copied(*inputs)
        result = without_dataclasses(answer)
        if next(tensors_in(result), None) is None:
            raise self._location.unsupported(
                f"forward returns a {type(answer).__name__}",
                "return a tensor, or a tuple, list, dict or dataclass of tensors",
            )
        self.recorded.output(map_leaves(self._on_meta, result))

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if self._is_inside_leaf:
            return func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", type(func).__name__)
        if name == "__get__":
            name = func.__self__.__name__  # type: ignore[attr-defined]  # the property behind its getter
        if name == "data":
            # Unlike data, detach shares the count of in-place writes, by which a later write is noticed.
            func, name = Tensor.detach, "detach"
        return self._called(Call(run=func, name=name, args=args, kwargs=kwargs or {}))

    def _copied(self) -> nn.Module:
        """The module with stand-ins for its tensors."""
        # With the tensors already in the memo of the copy, every mention of one becomes its stand-in: also those in
        # lists, and those that two modules share.
        memo: dict[int, object] = dict(self._constants.copies)
        try:
            return copy.deepcopy(self._module, memo).eval()
        except Exception as error:
            raise UnsupportedGraphError(
                f"{self._location}: cannot be copied ({error}); "
                "keep only modules, tensors and plain values as attributes"
            ) from error

    def _watch(self, path: str, part: nn.Module, is_leaf: bool) -> None:
        """Make a part of the copy say when its forward runs."""
        forward = part.forward

        def leaf(*args: object, **kwargs: object) -> object:
            self._is_inside_leaf = True
            try:
                return self._called(Call(run=forward, name="forward", args=args, kwargs=kwargs, layer=path))
            finally:
                self._is_inside_leaf = False

        def inner(*args: object, **kwargs: object) -> object:
            with self._location.inside(path):
                return forward(*args, **kwargs)

        part.forward = leaf if is_leaf else inner

    def _called(self, call: Call) -> object:
        """The result of a call: computed if it depends on no image, else noted in the graph."""
        if call.name in _NEW:
            # These take no more than the type from the tensor, so that what they make depends on no image.
            call = replace(call, args=(call.tensors[0].new_empty(0, device="cpu"), *call.args[1:]))
        call = call.mapped(self._on_meta)
        if not any(tensor in self.recorded for tensor in call.tensors) and not call.has_multiple(RECORDED_BATCH):
            return self._computed(call)
        if call.name in _READS_VALUES or _walks_images(call):
            raise self._location.unsupported(
                f"value-dependent control flow ({call.name} of a result that depends on an image)",
                "write it with torch.where for the whole batch, or move it out of forward",
            )
        if call.name in {"__setitem__", "__set__"} or call.kwargs.get("out") is not None:
            raise self._location.unsupported(
                f"a write into a part of a tensor ({call.name})",
                "build the result with torch.cat or torch.where",
            )
        return self._noted(self._as_layer(call))

    def _as_layer(self, call: Call) -> Call:
        """A dropout that is called as a function, as a layer of its own; any other call as it is."""
        dropout = dropout_of(call)
        if dropout is None:
            return call
        if dropout.is_training:
            raise self._location.unsupported(
                f"{call.name} that drops in evaluation as well", "give it training=self.training, or make it a layer"
            )
        if not dropout.is_scaled:
            raise self._location.unsupported(f"{call.name} without scale_by_keep", "give it scale_by_keep=True")
        path = self._constants.fresh_path(self.path, call.name)
        self._dropouts[path] = dropout.layer
        return Call(run=dropout.layer.forward, name="forward", args=call.tensors[:1], kwargs={}, layer=path)

    def _noted(self, call: Call) -> object:
        """The result on the meta device; it gets a node unless it is a plain value or one of the arguments."""
        if call.writes:
            self._constants.refuse_own(call, self.path)
        # Arguments become nodes before the call runs: an in-place call reads its tensor as it was, and once it has run
        # that tensor counts as changed.
        symbolic = call.mapped(self.recorded.node_of)
        versions = [tensor._version for tensor in call.tensors]
        # A tensor made from nothing but sizes goes to the device of the others.
        on_meta = torch.device("meta") if call.layer or not versions else nullcontext()
        with self._location.inside(call.layer or self.path), on_meta:
            result = call.result()
            self.recorded.note_writes(call, versions)
        if next(tensors_in(result), None) is None:
            return result
        result = self._apart(call, result)
        if isinstance(result, Tensor) and call.layer is None:
            if call.name in _SAME_VALUE and not call.kwargs:
                read = symbolic.args[0]
                assert isinstance(read, fx.Node)
                self.recorded.alias(result, read)
                return result
            # A function that gave back its argument did nothing; the tensor stands for what it stood for.
            if not call.writes and result in self.recorded:
                return result
        self.recorded.add(symbolic, result)
        return result

    def _apart(self, call: Call, result: object) -> object:
        """The result of a call; of a layer that does nothing in evaluation, a tensor of its own."""
        # Such a layer gives back its input. Were that one tensor to stand for the layer's node from then on, a branch
        # that reads the input later would read it behind the layer, which matters in training (dropout).
        is_given = any(result is tensor for tensor in call.tensors)
        if call.layer is None or not is_given or getattr(self.layer(call.layer), "inplace", False):
            return result
        return cast("Tensor", result).detach()

    def _computed(self, call: Call) -> object:
        if call.name == "__set__":
            raise self._location.unsupported("forward sets an attribute of a tensor", "move it out of forward")
        if call.name in _RANDOM:
            raise self._location.unsupported(
                f"random numbers ({call.name})", "draw them only where self.training is true"
            )
        if call.name == "detach":
            return call.tensors[0]
        if call.is_property and not isinstance(call.result(), Tensor):
            # As device and dtype, which are those of the stand-in.
            return call.result()
        if call.layer is not None:
            layer = copy.deepcopy(self._module.get_submodule(call.layer)).eval()
            call = replace(call, run=layer.forward, name="output")
        return self._constants.compute(call, self.path)

    def _on_meta(self, leaf: object) -> object:
        """The stand-in of a tensor with values that the forward brought along; the meta device for any other."""
        if isinstance(leaf, torch.device):
            return torch.device("meta")
        if not isinstance(leaf, Tensor) or leaf in self.recorded or leaf in self._constants:
            return leaf
        if leaf.device.type == "meta":
            # Made where no call was seen (inside another library's C code, say): nobody knows from what.
            raise self._location.unsupported(
                "a tensor made in a way that cannot be followed", "make it with a torch function"
            )
        return self._constants.stand_in(leaf)


def _walks_images(call: Call) -> bool:
    """Whether a call takes the batch apart into its images (`for image in x`)."""
    if call.name != "unbind" or call.tensors[0].shape[0] != RECORDED_BATCH:
        return False
    axis = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else 0)
    return axis in {0, -call.tensors[0].dim()}


def _argument_names(module: nn.Module, count: int) -> list[str]:
    try:
        bound = inspect.signature(module.forward).bind(*range(count))
    except TypeError as error:
        raise UnsupportedGraphError(
            f"{type(module).__name__}: forward cannot be called with {count} images ({error}); "
            "give one shape for each image that it takes"
        ) from error
    names = []
    for name, value in bound.arguments.items():
        names += [f"{name}_{i}" for i in range(len(value))] if isinstance(value, tuple) else [name]
    return names
