"""From gates and weights to a student on disk: fold, recompute statistics, restore norms, cut, prove, write."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from studentsearch.engine.batchnorm import recompute_batchnorm
from studentsearch.engine.runtime import Runtime
from studentsearch.errors import DivergedError
from studentsearch.finite import names_not_finite
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.graph.macs import count_macs
from studentsearch.graph.trace import trace
from studentsearch.jobs.opening import OpenedData, OpenedModel
from studentsearch.records.counts import Counts
from studentsearch.records.origin import Origin
from studentsearch.records.student import StudentFacts
from studentsearch.student.blocks import kept_by_block
from studentsearch.student.build import build_with_weights
from studentsearch.student.check import check_cut
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import write_student
from studentsearch.student.restore import restore_norms
from studentsearch.student.slice import Cut, cut


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherFacts:
    """What a snapshot needs of the teacher.

    Attributes:
        gated: Its trace and its gates.
        state: Its state by name, on the CPU.
        counts: Its cost.
        origin: Where students of it come from.
    """

    gated: GatedNetwork
    state: dict[str, Tensor]
    counts: Counts
    origin: Origin


def search_origin(teacher: OpenedModel, data: OpenedData) -> Origin:
    """Where the students of a teacher come from."""
    return Origin(
        teacher=teacher.name,
        teacher_sha256=teacher.sha256,
        data=data.dataset.name,
        data_sha256=data.dataset.fingerprint,
        classes=data.dataset.classes,
        mean=data.normalization.mean,
        std=data.normalization.std,
    )


def write_snapshot(
    folder: Path,
    module: nn.Module,
    gates: Tensor,
    teacher: TeacherFacts,
    *,
    images: Iterable[Tensor],
    probe: Tensor,
    runtime: Runtime,
) -> nn.Module:
    """Cut the student that these gates leave and write it.

    Args:
        folder: The student folder.
        module: The gated copy; it is not changed.
        gates: `[G]`, closed where 0.
        teacher: The network that it was copied from.
        images: Training batches `[B, C, H, W]` from which BatchNorm statistics are recomputed.
        probe: `[B, C, H, W]`, a few normalised images on which gated and cut network are compared.
        runtime: Where and how precisely to compute.

    Returns:
        The student, in evaluation mode, on the CPU.

    Raises:
        DivergedError: Its weights or statistics would not be finite; search with lower rates.
    """
    folded_module = copy.deepcopy(module)
    scaled = teacher.gated.scaled_weights(dict(folded_module.named_parameters()), gates)
    folded_module.load_state_dict({name: tensor.detach() for name, tensor in scaled.items()}, strict=False)
    recompute_batchnorm(folded_module, images, runtime)
    folded_module = folded_module.cpu()
    folded = _converted(folded_module.state_dict(), torch.float64)
    network, alive = teacher.gated.network, teacher.gated.liveness(np.asarray(gates.cpu().numpy() != 0))
    exact = cut(network, alive, restore_norms(network, alive, teacher.state, folded))
    student = Cut(spec=exact.spec, tensors=_converted(exact.tensors, torch.float32))
    _require_finite(folded)
    _require_finite(student.tensors)
    check = check_cut(folded_module, folded, exact, macs=int(count_macs(network, alive)), images=probe.cpu())
    small = build_with_weights(student.spec, student.tensors)
    record = StudentFacts(
        origin=teacher.origin,
        counts=count_everything(small, trace(small, *network.input_shapes, skip=("*",))),
        teacher_counts=teacher.counts,
        check=check,
        blocks=kept_by_block(network, alive),
    )
    write_student(folder, student, record)
    return small


def _require_finite(tensors: Mapping[str, Tensor]) -> None:
    """Refuse to prove equal what is not even finite."""
    broken = names_not_finite(tensors)
    if broken:
        raise DivergedError(f"the student's {broken[0]} would not be finite; lower --weight-rate or --gate-rate")


def _converted(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Copies of floating tensors in another precision; integers as they are."""
    return {
        name: tensor.detach().to(dtype, copy=True) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
