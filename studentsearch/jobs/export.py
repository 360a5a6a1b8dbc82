"""The export job: a student as ONNX or as a torch.export archive, kept only once it is proved equal."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from studentsearch.errors import UsageError
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
        UsageError: The extra is not installed, or the format unknown.
    """
    if to not in _SUFFIX:
        raise UsageError(f"found format {to}; expected {' or '.join(_SUFFIX)}")
    student = read_student(student_folder)
    path = out or student_folder / f"model{_SUFFIX[to]}"
    images = torch.randn(3, *student.spec.input_shape, generator=torch.Generator().manual_seed(0))
    content, answers = (_onnx if to == "onnx" else _pt2)(student.module, images)
    with torch.no_grad():
        expected = student.module(images).detach()
    difference = float((expected - answers.detach()).abs().max() / expected.abs().max().clamp_min(1e-30))
    assert difference <= _TOLERANCE, f"the exported file differs from the student by {difference:.1e}"
    write_bytes(path, content)
    return ExportedFile(path=path, difference=difference)


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
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
