"""The export job: a student as ONNX or as a torch.export archive, kept only once it is proved equal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from studentsearch.disk import write_bytes
from studentsearch.errors import InputFileError, ProofError, StudentSearchError, UsageError
from studentsearch.graph.arguments import DICT, INPUT
from studentsearch.graph.network import Operation
from studentsearch.jobs.checks import require_export
from studentsearch.outputs import ALONE, Output, outputs_of
from studentsearch.student.build import build_with_weights
from studentsearch.student.check import largest_difference
from studentsearch.student.folder import StoredStudent, read_student
from studentsearch.student.spec import StudentSpec

_TOLERANCE = 1e-4  # float32, relative to the largest logit; runtimes order sums differently
_SUFFIX = {"onnx": ".onnx", "pt2": ".pt2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """What was written.

    Attributes:
        path: The file.
        difference: Largest difference of an output's entry from the student's, relative to the output's largest.
    """

    path: Path
    difference: float


def export(student_folder: Path, to: Literal["onnx", "pt2"], out: Path | None = None) -> ExportedFile:
    """Write a student in another format, with a free batch size.

    Several outputs are named by their keys (`out`, `heads.cat`, `output_0` for the first of a tuple), in pt2 as a
    dictionary; several inputs by the names of the forward pass's parameters.

    Args:
        student_folder: A student folder.
        to: `onnx` (needs the extra `onnx`) or `pt2`.
        out: The file; None means model.onnx or model.pt2 in the student folder.

    Returns:
        The file and the measured difference.

    Raises:
        UsageError: The extra is not installed, the format unknown, or torch cannot write the student in it.
        InputFileError: The student's answers are not finite.
        ProofError: The file answers otherwise than the student; it is not written.
    """
    if to not in _SUFFIX:
        raise UsageError(f"found format {to}; expected {' or '.join(_SUFFIX)}")
    require_export(folder=student_folder, to=to, out=out)
    student = read_student(student_folder)
    path = out or student_folder / f"model{_SUFFIX[to]}"
    generator = torch.Generator().manual_seed(0)
    images = tuple(torch.randn(3, *shape, generator=generator) for shape in student.spec.input_shapes)
    with torch.no_grad():
        expected = outputs_of(student.module(*images))
    if not all(bool(output.tensor.isfinite().all()) for output in expected):
        raise InputFileError(f"{student_folder} answers with numbers that are not finite; distil the student again")
    content, answers = _written(student, images, to, student_folder)
    difference = _difference(expected, outputs_of(answers))
    if not difference <= _TOLERANCE:
        raise ProofError(
            f"the exported file differs from {student_folder} by {difference:.1e} of the largest logit; expected at "
            f"most {_TOLERANCE:.0e}; it was not written; use the other format, and report it"
        )
    write_bytes(path, content)
    return ExportedFile(path=path, difference=difference)


def _written(
    student: StoredStudent, images: tuple[Tensor, ...], to: Literal["onnx", "pt2"], student_folder: Path
) -> tuple[bytes, object]:
    """The content of the file, and what it answers."""
    spec = _named_outputs(student.spec)
    module = build_with_weights(spec, student.module.state_dict())
    try:
        return _onnx(module, images, student.spec) if to == "onnx" else _pt2(module, images)
    except StudentSearchError:
        raise
    except Exception as error:  # what torch's exporters raise differs from operation to operation
        raise UsageError(
            f"{student_folder} cannot be written as {to}: {' '.join(str(error).split())[:200]}; use the other format"
        ) from error


def _named_outputs(spec: StudentSpec) -> StudentSpec:
    """The same student, which returns several outputs as one dictionary."""
    if spec.logits == ALONE:
        return spec
    end = spec.steps[-1]
    pairs = ((name, (INPUT, number)) for number, name in enumerate(spec.output_names))
    output = Operation(kind="Output", arguments={"structure": (DICT, *pairs)})
    return replace(spec, steps=(*spec.steps[:-1], replace(end, operation=output)))


def _difference(expected: Sequence[Output], found: Sequence[Output]) -> float:
    """The largest over all outputs, in their order; the names differ where the student's are nested."""
    return largest_difference(
        tuple(output.tensor for output in expected),
        tuple(output.tensor for output in found),
    )


def _pt2(module: nn.Module, images: tuple[Tensor, ...]) -> tuple[bytes, object]:
    """The archive, and what it answers."""
    batch = torch.export.Dim("batch", min=1)
    file = io.BytesIO()
    program = torch.export.export(module, images, dynamic_shapes=tuple({0: batch} for _ in images))
    torch.export.save(program, file)
    file.seek(0)
    with torch.no_grad():
        answers: object = torch.export.load(file).module()(*images)
    return file.getvalue(), answers


def _onnx(module: nn.Module, images: tuple[Tensor, ...], spec: StudentSpec) -> tuple[bytes, object]:
    """The model, and what the runtime answers with it."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{error.name} is not installed; install the extra: pip install 'studentsearch[onnx]'"
        ) from error
    batch = torch.export.Dim("batch", min=1)
    inputs = ("images",) if len(images) == 1 else spec.input_names
    program = torch.onnx.export(
        module,
        images,
        dynamo=True,
        dynamic_shapes=tuple({0: batch} for _ in images),
        input_names=inputs,
        output_names=spec.output_names,
        verbose=False,
    )
    if program is None:
        raise ProofError("torch wrote no ONNX program; nothing was written; report it")
    content: bytes = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = {name: one.numpy() for name, one in zip(inputs, images, strict=True)}
    answers = session.run(list(spec.output_names), given)
    return content, {name: torch.from_numpy(one) for name, one in zip(spec.output_names, answers, strict=True)}
