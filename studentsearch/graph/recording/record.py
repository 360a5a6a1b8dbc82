"""From a torch module to the calls of its forward: an fx graph without in-place writes, each node with its shape.

The forward runs on a copy of the module on the meta device, so that plain Python decides whatever depends on shapes; a
torch function mode notes each call on a tensor that depends on an image.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.fx.node import Argument
from torch.overrides import TorchFunctionMode

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.recording.calls import Call, append, map_leaves, tensors_in, without_dataclasses
from studentsearch.graph.recording.constants import Constants
from studentsearch.graph.recording.dropouts import announced, dropout_of
from studentsearch.graph.recording.leaves import is_leaf, refuse_unfollowed
from studentsearch.graph.recording.source_locations import calling_line, error_in_words

BATCH = 1009
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

    Each node's meta has `value` (its result on the meta device, `[BATCH, ...]`, or a tuple, list or dict of such),
    `path` (the module whose forward made the call) and `line` (`net.py:17`, or empty where only torch's code ran).

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
            recorder.follow([torch.empty(BATCH, *shape, device="meta") for shape in input_shapes])
    except UnsupportedGraphError:
        raise
    except Exception as error:
        reason = error_in_words(error, name=recorder.name, path=recorder.path, input_shapes=input_shapes)
        raise UnsupportedGraphError(reason) from error
    graph = recorder.graph
    for node in reversed(graph.nodes):
        if not node.users and node.op not in {"placeholder", "output"}:
            graph.erase_node(node)
    paths = (str(node.target) for node in graph.nodes if node.op == "call_module")
    names = (str(node.target) for node in graph.nodes if node.op == "get_attr")
    return Recording(
        graph=graph,
        modules={path: recorder.layer(path) for path in paths},
        tensors={name: recorder.tensors[name] for name in names},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """A tensor of the forward and the node that it stands for.

    Attributes:
        tensor: What the forward holds; kept, so that its id is not given again.
        node: The call that made its present value.
        version: torch's count of in-place writes to its memory when `node` was noted.
    """

    tensor: Tensor
    node: fx.Node
    version: int


class _Recorder(TorchFunctionMode):
    """Follows one forward pass and notes its calls."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.name = type(module).__name__
        self.graph = fx.Graph()
        self.tensors: dict[str, Tensor] = {}
        self._module = module
        self._constants = Constants(module)
        self._results: dict[int, _Result] = {}
        self._attributes: dict[int, _Result] = {}
        # Where the memory of a tensor was last written to in place.
        self._written: dict[int, str] = {}
        self._dropouts: dict[str, nn.Module] = {}
        self._paths = [""]
        self._is_inside_leaf = False

    @property
    def path(self) -> str:
        """The module whose forward runs."""
        return self._paths[-1]

    def layer(self, path: str) -> nn.Module:
        """A leaf module, or what was made of a function."""
        return self._dropouts[path] if path in self._dropouts else self._module.get_submodule(path)

    def follow(self, inputs: list[Tensor]) -> None:
        """Note all calls, from the placeholders to the output."""
        copied = self._copied()
        for name, value in zip(_argument_names(copied, len(inputs)), inputs, strict=True):
            self._bind(self.graph.placeholder(name), value)
        leaf = None
        for path, part in copied.named_modules():
            if leaf is None or not path.startswith(f"{leaf}."):
                leaf = path if path and is_leaf(part) else None
                self._watch(path, part, is_leaf=leaf is not None)
        with self:
            answer = copied(*inputs)
        result = without_dataclasses(answer)
        if next(tensors_in(result), None) is None:
            raise self._unsupported(
                f"forward returns a {type(answer).__name__}",
                "return a tensor, or a tuple, list, dict or dataclass of tensors",
            )
        result = map_leaves(self._on_meta, result)
        self._note(self.graph.output(cast("Argument", map_leaves(self._to_node, result))), result)

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
            # Unlike data, detach shares the count of in-place writes.
            func, name = Tensor.detach, "detach"
        return self._called(Call(run=func, name=name, args=args, kwargs=kwargs or {}))

    def _copied(self) -> nn.Module:
        """The module with stand-ins in the place of its tensors."""
        memo: dict[int, object] = dict(self._constants.copies)
        try:
            return copy.deepcopy(self._module, memo).eval()
        except Exception as error:
            raise UnsupportedGraphError(
                f"{self.name}: cannot be copied ({error}); keep only modules, tensors and plain values as attributes"
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
            depth = len(self._paths)
            self._paths.append(path)
            result = forward(*args, **kwargs)
            # Not on the way out of an error, whose place is the last path.
            del self._paths[depth:]
            return result

        part.forward = leaf if is_leaf else inner

    def _called(self, call: Call) -> object:
        """The result of a call: computed if it depends on no image, else noted in the graph."""
        if call.name in _NEW:
            # These take no more than the type from the tensor.
            call = replace(call, args=(call.tensors[0].new_empty(0, device="cpu"), *call.args[1:]))
        call = call.mapped(self._on_meta)
        if not any(id(tensor) in self._results for tensor in call.tensors) and not call.has_multiple(BATCH):
            return self._computed(call)
        if call.name in _READS_VALUES or _walks_images(call):
            raise self._unsupported(
                f"value-dependent control flow ({call.name} of a result that depends on an image)",
                "write it with torch.where for the whole batch, or move it out of forward",
            )
        if call.name in {"__setitem__", "__set__"} or call.kwargs.get("out") is not None:
            raise self._unsupported(
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
            raise self._unsupported(
                f"{call.name} that drops in evaluation as well", "give it training=self.training, or make it a layer"
            )
        if not dropout.is_scaled:
            raise self._unsupported(f"{call.name} without scale_by_keep", "give it scale_by_keep=True")
        path = self._constants.fresh_path(self.path, call.name)
        self._dropouts[path] = dropout.layer
        return Call(run=dropout.layer.forward, name="forward", args=call.tensors[:1], kwargs={}, layer=path)

    def _noted(self, call: Call) -> object:
        """The result on the meta device; it gets a node unless it is a plain value or one of the arguments."""
        if call.writes:
            self._constants.refuse_own(call, self.path)
        symbolic = call.mapped(self._to_node)
        depth = len(self._paths)
        self._paths.append(call.layer or self.path)
        versions = [tensor._version for tensor in call.tensors]
        # A tensor made from nothing but sizes goes to the device of the others.
        with torch.device("meta") if call.layer or not versions else nullcontext():
            result = call.result()
        for tensor, version in zip(call.tensors, versions, strict=True):
            if tensor._version != version:
                self._written[tensor.untyped_storage()._cdata] = self._place()
        # Not on the way out of an error, whose place is the last path.
        del self._paths[depth:]
        if next(tensors_in(result), None) is None:
            return result
        is_given = any(result is tensor for tensor in call.tensors)
        if call.layer is not None and is_given and not getattr(self.layer(call.layer), "inplace", False):
            # A layer that does nothing in evaluation; its input is still read as it was.
            result = cast("Tensor", result).detach()
        if isinstance(result, Tensor) and call.layer is None:
            if call.name in _SAME_VALUE and not call.kwargs:
                read = symbolic.args[0]
                assert isinstance(read, fx.Node)
                self._hold(result, read)
                return result
            if not call.writes and id(result) in self._results:
                return result
        node = append(self.graph, symbolic)
        if node is None:
            raise self._unsupported(f"{call.name} has no form that makes a new tensor", "write it without in-place")
        self._bind(node, result)
        return result

    def _computed(self, call: Call) -> object:
        if call.name == "__set__":
            raise self._unsupported("forward sets an attribute of a tensor", "move it out of forward")
        if call.name in _RANDOM:
            raise self._unsupported(f"random numbers ({call.name})", "draw them only where self.training is true")
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
        if not isinstance(leaf, Tensor) or id(leaf) in self._results or leaf in self._constants:
            return leaf
        if leaf.device.type == "meta":
            raise self._unsupported("a tensor made in a way that cannot be followed", "make it with a torch function")
        return self._constants.stand_in(leaf)

    def _to_node(self, leaf: object) -> object:
        """The node of a tensor's present value."""
        if not isinstance(leaf, Tensor):
            return leaf
        result = self._results.get(id(leaf))
        if result is None:
            return self._attribute(leaf)
        if result.version != leaf._version:
            place = self._written.get(leaf.untyped_storage()._cdata, self._place())
            raise UnsupportedGraphError(
                f"{place}: changes {result.node.name} or a view of it in place, which is read afterwards; "
                "write the change without in-place"
            )
        return result.node

    def _attribute(self, meta: Tensor) -> fx.Node:
        """The one node that reads a constant."""
        known = self._constants.real(meta)
        if id(meta) not in self._attributes:
            name = self._constants.name(meta, self.path)
            # What the forward may still write to is read as it is now.
            self.tensors[name] = known if self._constants.is_own(meta) else known.clone()
            node = self.graph.create_node("get_attr", name)
            self._note(node, meta)
            self._attributes[id(meta)] = _Result(tensor=meta, node=node, version=known._version)
        read = self._attributes[id(meta)]
        if read.version != known._version:
            raise self._unsupported(
                f"{read.node.target} was changed in place after it was used", "make a new tensor for each use"
            )
        return read.node

    def _bind(self, node: fx.Node, value: object) -> None:
        """Let a call's result stand for its node, and what is in a tuple, list or dict for the items of it."""
        self._note(node, value)
        if isinstance(value, Tensor):
            self._hold(value, node)
            return
        assert isinstance(value, (tuple, list, Mapping))
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            if next(tensors_in(item), None) is not None:
                self._bind(self.graph.call_function(operator.getitem, (node, key)), item)

    def _hold(self, tensor: Tensor, node: fx.Node) -> None:
        self._results[id(tensor)] = _Result(tensor=tensor, node=node, version=tensor._version)

    def _note(self, node: fx.Node, value: object) -> None:
        # A later in-place call may change the shape of the tensor itself.
        value = map_leaves(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, value)
        node.meta.update(value=value, path=self.path, line=calling_line(_Recorder.follow.__code__))

    def _unsupported(self, found: str, cure: str) -> UnsupportedGraphError:
        return UnsupportedGraphError(f"{self._place()}: {found}; {cure}")

    def _place(self) -> str:
        """What the messages start with: the module and the line that runs."""
        line = calling_line(_Recorder.follow.__code__)
        return ", ".join(part for part in (self.path, line) if part) or self.name


def _walks_images(call: Call) -> bool:
    """Whether a call takes the batch apart into its images (`for image in x`)."""
    if call.name != "unbind" or call.tensors[0].shape[0] != BATCH:
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
