"""A student's model.py: plain torch.nn with one function `build()`, written from the same facts as the module."""

from __future__ import annotations

import inspect

from studentsearch.graph import layers
from studentsearch.student.spec import Step, StudentSpec

_OWN = {"Select": layers.Select, "Constant": layers.Constant}
_HEAD = '''"""{title}

Needs torch and safetensors only. `build()` gives the network with the weights that lie beside this file, in evaluation
mode; its input is a batch `[B, {channels}, {height}, {width}]`, normalised with the mean and deviation of config.json.
"""

from __future__ import annotations

from pathlib import Path

import torch
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
    channels, height, width = spec.input_shape
    kinds = {step.operation.kind for step in spec.steps}
    parts = [_HEAD.format(title=title, channels=channels, height=height, width=width)]
    parts += [f"\n\n{inspect.getsource(layer)}" for kind, layer in _OWN.items() if kind in kinds]
    parts += ["\n\n", _student_class(spec), _TAIL]
    return "".join(parts)


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
    containers: set[str] = set()
    for step in spec.steps:
        parts = step.path.split(".")
        for depth in range(1, len(parts)):
            container = ".".join(parts[:depth])
            if container not in containers:
                containers.add(container)
                lines.append(f"        {_attribute(container)} = nn.Module()")
        if step.path:
            lines.append(f"        {_attribute(step.path)} = {_constructor(step)}")
    head = spec.steps[0].name
    lines += [
        "",
        f"    def forward(self, {head}: Tensor) -> Tensor:",
        '        """Logits of a batch of normalised images."""',
    ]
    lines += [f"        {_statement(step)}" for step in spec.steps[1:]]
    return "\n".join(lines) + "\n"


def _attribute(path: str) -> str:
    """How Python writes a module path: numbers need getattr-free spelling, so they go through `_modules`."""
    text = "self"
    for part in path.split("."):
        text += f".{part}" if part.isidentifier() else f'._modules["{part}"]'
    return text


def _constructor(step: Step) -> str:
    kind = step.operation.kind
    arguments = ", ".join(f"{name}={value!r}" for name, value in step.operation.arguments.items())
    return f"{'' if kind in _OWN else 'nn.'}{kind}({arguments})"


def _statement(step: Step) -> str:
    inputs = ", ".join(step.inputs)
    match step.operation.kind:
        case "Concat":
            return f"{step.name} = torch.cat(({inputs}), 1)"
        case "Add":
            return f"{step.name} = torch.add({inputs})"
        case "Output":
            return f"return {inputs}"
        case _:
            return f"{step.name} = {_attribute(step.path)}({inputs})"
