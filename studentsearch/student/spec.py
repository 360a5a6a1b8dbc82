"""A student's architecture as frozen facts: layers of torch.nn and the few operations between them.

This is what config.json holds, what the module is built from and what model.py is written from.
"""

from __future__ import annotations

from dataclasses import dataclass

from studentsearch.graph.network import Operation
from studentsearch.graph.outputs import logits_path, output_names
from studentsearch.outputs import OutputPath
from studentsearch.records.architecture import ArchitectureRecord, StepRecord


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

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of all inputs, in the order in which they are given."""
        return tuple(step.name for step in self.steps if step.operation.kind == "Input")

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs, in the order in which they are returned."""
        return output_names(self.steps[-1].operation, len(self.steps[-1].inputs))

    @property
    def logits(self) -> OutputPath:
        """Where the logits stand in what the student returns."""
        return logits_path(self.steps[-1].operation, len(self.steps[-1].inputs))


def spec_to_record(spec: StudentSpec) -> ArchitectureRecord:
    """The spec as config.json holds it; `spec_from_record` gives it back."""
    return ArchitectureRecord(
        input_shapes=spec.input_shapes,
        steps=tuple(
            StepRecord(
                name=step.name,
                kind=step.operation.kind,
                path=step.path,
                inputs=step.inputs,
                arguments=dict(step.operation.arguments),
            )
            for step in spec.steps
        ),
    )


def spec_from_record(record: ArchitectureRecord) -> StudentSpec:
    """The spec that `spec_to_record` wrote; whether it makes sense is for `spec_problem` to say."""
    return StudentSpec(
        input_shapes=record.input_shapes,
        steps=tuple(
            Step(
                name=step.name,
                path=step.path,
                operation=Operation(kind=step.kind, arguments=step.arguments),
                inputs=step.inputs,
            )
            for step in record.steps
        ),
    )
