"""A student from a file tried without its numbers: which tensors it needs and what it computes, before any is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from studentsearch.errors import InputFileError, StudentSearchError
from studentsearch.graph.layers import Select
from studentsearch.records.weights_header import TensorEntry
from studentsearch.student.blank import blank_images
from studentsearch.student.build import build
from studentsearch.student.spec import StudentSpec
from studentsearch.student.wellformed import MAX_ENTRIES, spec_problem

_BATCH = 2
_FLOATING = frozenset({"F64", "F32", "F16", "BF16"})
_CURE = "copy the folder again, whole, or search or distil again"


def require_sound(spec: StudentSpec, tensors: Mapping[str, TensorEntry], *, source: str) -> None:
    """Refuse an architecture that may not be built, needs other tensors than its file has, or computes nothing.

    Nothing is allocated: layers are built and run on torch's meta device, which keeps shapes alone.

    Args:
        spec: The architecture.
        tensors: What the weights' file holds, by name.
        source: The file of the architecture, for the message.

    Raises:
        InputFileError: It is not one that `studentsearch` wrote.
    """
    problem = spec_problem(spec)
    if problem is not None:
        raise InputFileError(f"{source}: {problem}; {_CURE}")
    try:
        with torch.device("meta"):
            module = build(spec).eval()
    except StudentSearchError as error:
        raise InputFileError(f"{source}: {error}") from error
    except Exception as error:  # layers refuse odd arguments in many ways
        raise InputFileError(f"{source}: its layers cannot be built ({_one_line(error)}); {_CURE}") from error
    _require_shapes(module, tensors, source)
    images = [torch.empty(_BATCH, *shape, device="meta") for shape in spec.input_shapes]
    runner = _ShapesOnly(module)
    try:
        with torch.no_grad(), _Bounded():  # type: ignore[no-untyped-call]
            runner.run(*images)
    except Exception as error:  # as do functions
        raise InputFileError(
            f"{source}: step {runner.step!a:.80} cannot be computed ({_one_line(error)}); {_CURE}"
        ) from error


def require_running(module: nn.Module, spec: StudentSpec, *, source: str) -> None:
    """Refuse a module that fails on one black image; some functions check their arguments only where there are numbers.

    Args:
        module: The student, with its weights.
        spec: Its architecture, which `require_sound` took.
        source: The file of the architecture, for the message.

    Raises:
        InputFileError: It cannot be computed.
    """
    images = blank_images(module, spec.input_shapes)
    interpreter = fx.Interpreter(cast("fx.GraphModule", module))
    interpreter.extra_traceback = False
    try:
        with torch.no_grad():
            interpreter.run(*images)
    except Exception as error:
        raise InputFileError(f"{source}: the student cannot be run ({_one_line(error)}); {_CURE}") from error


def _require_shapes(module: nn.Module, tensors: Mapping[str, TensorEntry], source: str) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    names = [name for name in (*wanted, *tensors) if name not in wanted or name not in tensors]
    if names:
        have, lack = ("architecture", "weights") if names[0] in wanted else ("weights", "architecture")
        raise InputFileError(f"{source}: the {have} have {names[0]!a:.80}, the {lack} have not; {_CURE}")
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() != (tensors[name].dtype in _FLOATING):
            raise InputFileError(f"{source}: {name!a:.80} is of dtype {tensors[name].dtype} in the weights; {_CURE}")
    for name, shape in wanted.items():
        if tensors[name].shape != shape:
            raise InputFileError(
                f"{source}: {name!a:.80} has shape {list(shape)}, in the weights {list(tensors[name].shape)}; {_CURE}"
            )


class _ShapesOnly(fx.Interpreter):
    """Runs a module on tensors without numbers, step by step.

    Attributes:
        step: The step that is computed.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(cast("fx.GraphModule", module))
        self.extra_traceback = False
        self.step = ""

    def run_node(self, n: fx.Node) -> object:
        """One step.

        Args:
            n: The step.

        Returns:
            Its value.

        Raises:
            ValueError: It picks channels that are not there.
        """
        self.step = n.name
        layer = self.module.get_submodule(str(n.target)) if n.op == "call_module" else None
        if isinstance(layer, Select):
            (source,) = self.fetch_args_kwargs_from_env(n)[0]
            largest = max(layer.picked)
            if not isinstance(source, Tensor) or largest >= source.shape[layer.axis] or min(layer.picked) < -1:
                raise ValueError(f"channel {largest} is not there")
        return super().run_node(n)


class _Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no annotations there
    """Bounds every tensor that is made, those inside a layer or a function as well: a padding may be cropped again."""

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """One operation of torch; see `TorchDispatchMode`.

        Args:
            func: The operation.
            types: Classes of its tensors.
            args: Its positional arguments.
            kwargs: Its named arguments.

        Returns:
            What it computes.

        Raises:
            ValueError: It makes a tensor that is larger than any step of a student.
        """
        value = func(*args, **(kwargs or {}))
        for found in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(found, Tensor) and found.numel() > _BATCH * MAX_ENTRIES:
                raise ValueError(f"{found.numel() // _BATCH:,} numbers an image, expected at most {MAX_ENTRIES:,}")
        return value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
