"""A student's architecture as frozen facts: layers of torch.nn and the few operations between them.

This is what config.json holds, what the module is built from and what model.py is written from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studentsearch.errors import InputFileError
from studentsearch.graph.arguments import Argument
from studentsearch.graph.network import Operation
from studentsearch.runs.files import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the student's forward pass.

    Attributes:
        name: A Python identifier, unique in the student.
        path: Module path of a layer; empty for `Input`, `Concat`, `Add` and `Output`.
        operation: What is computed; its arguments build the layer.
        inputs: Names of the steps read, in argument order.
    """

    name: str
    path: str
    operation: Operation
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentSpec:
    """The student's forward pass, steps in order, `Input` first and `Output` last."""

    input_shapes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image, `[C, H, W]`."""
        return self.input_shapes[0]


def spec_to_json(spec: StudentSpec) -> dict[str, JsonValue]:
    """The spec as JSON values; `spec_from_json` gives it back."""
    return {
        "input_shapes": [list(shape) for shape in spec.input_shapes],
        "steps": [
            {
                "name": step.name,
                "kind": step.operation.kind,
                "path": step.path,
                "inputs": list(step.inputs),
                "arguments": {name: _to_json(value) for name, value in step.operation.arguments.items()},
            }
            for step in spec.steps
        ],
    }


def spec_from_json(value: Mapping[str, JsonValue], *, source: str) -> StudentSpec:
    """The spec that `spec_to_json` wrote.

    Args:
        value: Parsed JSON.
        source: Where it was read, for the message.

    Returns:
        The spec.

    Raises:
        InputFileError: The JSON has another form.
    """
    try:
        shapes, steps = value["input_shapes"], value["steps"]
        assert isinstance(shapes, list)
        assert isinstance(steps, list)
        return StudentSpec(
            input_shapes=tuple(_shape_from_json(shape) for shape in shapes),
            steps=tuple(_step_from_json(step) for step in steps),
        )
    except (KeyError, AssertionError, TypeError) as error:
        raise InputFileError(f"{source}: not a student's architecture ({error!r}); export the student again") from error


def _shape_from_json(value: JsonValue) -> tuple[int, ...]:
    assert isinstance(value, list)
    return tuple(int(size) for size in value if isinstance(size, int))


def _step_from_json(value: JsonValue) -> Step:
    assert isinstance(value, dict)
    arguments, inputs = value["arguments"], value["inputs"]
    assert isinstance(arguments, dict)
    assert isinstance(inputs, list)
    operation = Operation(
        kind=str(value["kind"]), arguments={name: _from_json(item) for name, item in arguments.items()}
    )
    return Step(
        name=str(value["name"]),
        path=str(value["path"]),
        operation=operation,
        inputs=tuple(str(name) for name in inputs),
    )


def _to_json(value: Argument) -> JsonValue:
    return [_to_json(item) for item in value] if isinstance(value, tuple) else value


def _from_json(value: JsonValue) -> Argument:
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    assert value is None or isinstance(value, (bool, int, float, str)), f"{value!r} is no argument of a layer"
    return value
