"""A student's model.py: plain torch.nn with one function `build()`, written from the same facts as the module."""

from __future__ import annotations

import inspect

from studentsearch.graph import layers
from studentsearch.graph.arguments import INPUT, Argument, write
from studentsearch.graph.named_tuples import named_tuples
from studentsearch.graph.names import is_attribute
from studentsearch.graph.recording.owners import TENSOR_ROLES
from studentsearch.printable import docstring
from studentsearch.student.spec import Step, StudentSpec

_OWN = {"Select": layers.Select, "Constant": layers.Constant, "StochasticDepth": layers.StochasticDepth}
_FUNCTIONAL = "torch.nn.functional."
_HEAD = '''"""{title}

Needs torch and safetensors only. `build()` gives the network with the weights that lie beside this file, in evaluation
mode; its input is a batch `[B, {shape}]`, normalised with mean and standard deviation of config.json.
"""

from __future__ import annotations

from pathlib import Path
{typing}
import torch
import torch.nn.functional as F
from torch import Tensor, nn
'''
_TAIL = '''

def build(weights: str | Path | None = Path(__file__).with_name("model.safetensors")) -> Student:
    """The student, with the weights of a safetensors file, or fresh ones where `weights` is None."""
    student = Student()
    if weights is not None:
        from safetensors.torch import load_file

        student.load_state_dict(load_file(weights))
    return student.eval()
'''


def model_source(spec: StudentSpec, *, title: str) -> str:
    """The text of model.py.

    Args:
        spec: The student's architecture.
        title: First line of its docstring.

    Returns:
        A Python module that imports torch and safetensors only.
    """
    shape = ", ".join(str(size) for size in spec.input_shape)
    kinds = {step.operation.kind for step in spec.steps}
    named = named_tuples(_structure(spec))
    typing = "from typing import NamedTuple\n" if named else ""
    parts = [_HEAD.format(title=docstring(title), shape=shape, typing=typing)]
    parts += [_named_tuple(name, fields) for name, fields in named.items()]
    parts += [f"\n\n{inspect.getsource(layer)}" for kind, layer in _OWN.items() if kind in kinds]
    parts += ["\n\n", _student_class(spec), _TAIL]
    return "".join(parts)


def _structure(spec: StudentSpec) -> Argument:
    """What the student returns: one tensor, or several as the network groups them."""
    return spec.steps[-1].operation.arguments.get("structure", (INPUT, 0))


def _named_tuple(name: str, fields: tuple[str, ...]) -> str:
    lines = [f"class {name}(NamedTuple):", '    """What the student returns."""', ""]
    return "\n\n" + "\n".join([*lines, *(f"    {field}: object" for field in fields)]) + "\n"


def _student_class(spec: StudentSpec) -> str:
    lines = [
        "class Student(nn.Module):",
        '    """The student: layers at the paths of the network it was cut from."""',
        "",
    ]
    lines += [
        "    def __init__(self) -> None:",
        '        """Make every layer with fresh weights."""',
        "        super().__init__()",
    ]
    lines += [f"        {line}" for line in _constructions(spec)]
    inputs = [step.name for step in spec.steps if step.operation.kind == "Input"]
    is_alone = _structure(spec) == (INPUT, 0)
    signature = ", ".join(f"{name}: Tensor" for name in inputs)
    lines += [
        "",
        f"    def forward(self, {signature}) -> {'Tensor' if is_alone else 'object'}:",
        f'        """{"Logits" if is_alone else "All outputs"} of a batch of normalised images."""',
    ]
    lines += [f"        {_statement(step, inputs[0])}" for step in spec.steps if step.operation.kind != "Input"]
    return "\n".join(lines) + "\n"


def _constructions(spec: StudentSpec) -> list[str]:
    """Every container and layer once, containers before what they hold, otherwise in the order of the forward pass."""
    layer_of = {step.path: step for step in reversed(spec.steps) if step.path}
    lines: list[str] = []
    made: set[str] = set()
    for step in spec.steps:
        parts = step.path.split(".") if step.path else []
        for depth in range(1, len(parts) + 1):
            path = ".".join(parts[:depth])
            if path in made:
                continue
            made.add(path)
            if path.rpartition(".")[2] in TENSOR_ROLES and path.rpartition(".")[0] in layer_of:
                continue  # a layer's own, which an operation reads as well
            lines.append(_construction(path, layer_of.get(path)))
    return lines


def _construction(path: str, step: Step | None) -> str:
    if step is None:
        return f"{_attribute(path)} = nn.Module()"
    if step.operation.kind != "Parameter":
        return f"{_attribute(path)} = {_constructor(step)}"
    dtype = f", dtype=torch.{step.operation.arguments['dtype']}" if "dtype" in step.operation.arguments else ""
    zeros = f"torch.zeros({step.operation.arguments['shape']!r}{dtype})"
    owner, name = _owner(path), path.rpartition(".")[2]
    if not step.operation.arguments["is_trainable"]:
        return f"{owner}.register_buffer({name!r}, {zeros})"
    if is_attribute(name):
        return f"{owner}.{name} = nn.Parameter({zeros})"
    return f"{owner}.register_parameter({name!r}, nn.Parameter({zeros}))"


def _owner(path: str) -> str:
    """How Python writes the module that holds what stands at a path."""
    parent = path.rpartition(".")[0]
    return _attribute(parent) if parent else "self"


def _tensor(path: str) -> str:
    """How Python writes a parameter or buffer at a path."""
    name = path.rpartition(".")[2]
    return f"{_owner(path)}.{name}" if is_attribute(name) else f"getattr({_owner(path)}, {name!r})"


def _attribute(path: str) -> str:
    """How Python writes a module path: numbers need getattr-free spelling, so they go through `_modules`."""
    text = "self"
    for part in path.split("."):
        text += f".{part}" if is_attribute(part) else f"._modules[{part!r}]"
    return text


def _constructor(step: Step) -> str:
    kind = step.operation.kind
    arguments = ", ".join(f"{name}={write(value, (), '')}" for name, value in step.operation.arguments.items())
    return f"{'' if kind in _OWN else 'nn.'}{kind}({arguments})"


def _statement(step: Step, first: str) -> str:
    operation, inputs = step.operation, ", ".join(step.inputs)
    match operation.kind:
        case "Concat":
            return f"{step.name} = torch.cat(({inputs}), {operation.arguments['axis']})"
        case "Add":
            return f"{step.name} = torch.add({inputs})"
        case "Output":
            return f"return {write(operation.arguments.get('structure', (INPUT, 0)), step.inputs, '')}"
        case "Parameter":
            return f"{step.name} = {_tensor(step.path)}"
        case "Call":
            return f"{step.name} = {_called(step, f'{first}.shape[0]')}"
        case "MultiheadAttention":
            return f"{step.name} = {_attribute(step.path)}({inputs}, need_weights=False)[0]"
        case _:
            return f"{step.name} = {_attribute(step.path)}({inputs})"


def _called(step: Step, batch: str) -> str:
    """A call as people write it: `torch.permute(x, (0, 2, 3, 1))`, `x.mean((2, 3))`, `x[:, 1]`."""
    arguments, options = step.operation.arguments["arguments"], step.operation.arguments["options"]
    assert isinstance(arguments, tuple)
    assert isinstance(options, tuple)
    positional = [write(item, step.inputs, batch) for item in arguments]
    named = [f"{item[0]}={write(item[1], step.inputs, batch)}" for item in options if isinstance(item, tuple)]
    name = step.operation.name
    if name == "operator.getitem":
        return f"{positional[0]}[{positional[1]}]"
    if name.startswith("Tensor."):
        return f"{positional[0]}.{name.removeprefix('Tensor.')}({', '.join(positional[1:] + named)})"
    short = f"F.{name.removeprefix(_FUNCTIONAL)}" if name.startswith(_FUNCTIONAL) else name
    return f"{short}({', '.join(positional + named)})"
