"""The export job: a student as ONNX or as a torch.export archive, kept only once it is proved equal."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from studentsearch.errors import InputFileError, ProofError, StudentSearchError, UsageError
from studentsearch.runs.files import write_bytes
from studentsearch.student.folder import read_student

_TOLERANCE = 1e-4  # float32, relative to the largest logit; runtimes order sums differently
_SUFFIX = {"onnx": ".onnx", "pt2": ".pt2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """What was written.

    Attributes:
        path: The file.
        difference: Largest difference of a logit from the student's, relative to the largest logit.
    """

    path: Path
    difference: float


def export(student_folder: Path, to: Literal["onnx", "pt2"], out: Path | None = None) -> ExportedFile:
    """Write a student in another format, with a free batch size.

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
    student = read_student(student_folder)
    path = out or student_folder / f"model{_SUFFIX[to]}"
    images = torch.randn(3, *student.spec.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = student.module(images).detach()
    if not bool(expected.isfinite().all()):
        raise InputFileError(f"{student_folder} answers with numbers that are not finite; distil the student again")
    content, answers = _written(student.module, images, to, student_folder)
    difference = float((expected - answers.detach()).abs().max() / expected.abs().max().clamp_min(1e-30))
    if not difference <= _TOLERANCE:
        raise ProofError(
            f"the exported file differs from {student_folder} by {difference:.1e} of the largest logit; expected at "
            f"most {_TOLERANCE:.0e}; it was not written; use the other format, and report it"
        )
    write_bytes(path, content)
    return ExportedFile(path=path, difference=difference)


def _written(
    module: nn.Module, images: Tensor, to: Literal["onnx", "pt2"], student_folder: Path
) -> tuple[bytes, Tensor]:
    """The content of the file, and what it answers."""
    try:
        return (_onnx if to == "onnx" else _pt2)(module, images)
    except StudentSearchError:
        raise
    except Exception as error:  # what torch's exporters raise differs from operation to operation
        raise UsageError(
            f"{student_folder} cannot be written as {to}: {' '.join(str(error).split())[:200]}; use the other format"
        ) from error


def _pt2(module: nn.Module, images: Tensor) -> tuple[bytes, Tensor]:
    """The archive, and what it answers."""
    batch = torch.export.Dim("batch", min=1)
    file = io.BytesIO()
    torch.export.save(torch.export.export(module, (images,), dynamic_shapes=({0: batch},)), file)
    file.seek(0)
    with torch.no_grad():
        answers = torch.as_tensor(torch.export.load(file).module()(images))
    return file.getvalue(), answers


def _onnx(module: nn.Module, images: Tensor) -> tuple[bytes, Tensor]:
    """The model, and what the runtime answers with it."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{error.name} is not installed; install the extra: pip install 'studentsearch[onnx]'"
        ) from error
    program = torch.onnx.export(
        module,
        (images,),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        input_names=["images"],
        output_names=["logits"],
        verbose=False,
    )
    if program is None:
        raise ProofError("torch wrote no ONNX program; nothing was written; report it")
    content: bytes = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
