"""The student of a distillation, found by a search or a network by name, and its folder afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from studentsearch.data.dataset import Dataset
from studentsearch.graph.liveness import liveness
from studentsearch.graph.macs import count_macs
from studentsearch.graph.network import Network
from studentsearch.graph.outputs import name_logits, network_logits_path, with_logits
from studentsearch.graph.trace import trace
from studentsearch.jobs.building import fresh_model
from studentsearch.jobs.outputs import refuse_several_inputs
from studentsearch.outputs import OutputPath
from studentsearch.records.counts import Counts
from studentsearch.records.names import WEIGHTS_NAME
from studentsearch.records.origin import Origin
from studentsearch.records.student import StudentFacts
from studentsearch.records.training import TrainingRecord
from studentsearch.runs.files import file_sha256
from studentsearch.student.build import build
from studentsearch.student.check import check_cut
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import StoredStudent, read_student, rewrite_weights, write_student
from studentsearch.student.plain import plain_network
from studentsearch.student.slice import cut

Init = Literal["scratch", "inherit"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedStudent:
    """A network that is about to be taught.

    Attributes:
        name: Its name, or whose student it is and of which budget.
        module: Plain layers with the weights that training starts from.
        network: Its trace.
        counts: Its cost.
        stored: Where it lies and what is stored of it; None for a network by name.
    """

    name: str
    module: nn.Module
    network: Network
    counts: Counts
    stored: StoredStudent | None = None
    folder: Path | None = None

    @property
    def logits(self) -> OutputPath:
        """Where the logits stand in what it returns."""
        return network_logits_path(self.network)

    @property
    def sha256(self) -> str | None:
        """Hash of the weights that it was cut with; None for a network by name."""
        return None if self.folder is None else file_sha256(self.folder / WEIGHTS_NAME)


def open_found_student(folder: Path, init: Init, seed: int) -> OpenedStudent:
    """A student from its folder, with the weights that it was cut with or fresh ones.

    Args:
        folder: The student folder.
        init: Where training starts.
        seed: Of fresh weights.

    Returns:
        The student; the stored module stays as it is.
    """
    stored = read_student(folder)
    refuse_several_inputs(str(folder), stored.spec.input_names)
    torch.manual_seed(seed)
    module = build(stored.spec)
    if init == "inherit":
        module.load_state_dict(stored.module.state_dict())
    else:
        _draw_weights(module)
        _draw_outside_layers(module, stored)
    traced = trace(stored.module, *stored.spec.input_shapes, skip=("*",))
    network = with_logits(traced, stored.spec.steps[-1].operation.logits)
    return OpenedStudent(
        name=f"{folder.name} of {stored.origin.teacher}",
        module=module,
        network=network,
        counts=count_everything(stored.module, network),
        stored=stored,
        folder=folder,
    )


def open_named_student(name: str, dataset: Dataset, seed: int, logits: str | None = None) -> OpenedStudent:
    """A network by name with fresh weights, as plain layers.

    Args:
        name: Any model name.
        dataset: The images that it must fit.
        seed: Of its weights.
        logits: Name or position of the output that is trained; None means the usual one.

    Returns:
        The student.
    """
    torch.manual_seed(seed)
    plain = plain_network(fresh_model(name, dataset), dataset.image_shape, skip=("*",))
    network = name_logits(plain.network, logits, num_classes=dataset.num_classes, source=name)
    return OpenedStudent(
        name=name, module=plain.module, network=network, counts=count_everything(plain.module, network)
    )


@torch.no_grad()
def write_trained(
    student: OpenedStudent,
    folder: Path,
    state: Mapping[str, Tensor],
    *,
    origin: Origin,
    teacher_counts: Counts,
    training: TrainingRecord,
) -> None:
    """Write a student folder with trained weights.

    Args:
        student: The student.
        folder: Where.
        state: Its weights by name.
        origin: Whom and on what it was taught; a found student keeps the teacher that it was cut from.
        teacher_counts: The teacher's cost.
        training: How these weights were trained, and what they reach.
    """
    if student.stored is not None:
        of_cut = student.stored.origin
        taught = replace(
            origin, teacher=of_cut.teacher, teacher_sha256=of_cut.teacher_sha256, architecture=of_cut.architecture
        )
        rewrite_weights(student.stored, folder, state, taught, training)
        return
    network = student.network
    alive = liveness(network, (), np.ones(0, dtype=np.bool_))
    whole = cut(network, alive, state)
    probe = torch.randn(4, *network.input_shape, generator=torch.Generator().manual_seed(0))
    module = build(whole.spec)
    record = StudentFacts(
        origin=origin,
        counts=student.counts,
        teacher_counts=teacher_counts,
        check=check_cut(module, whole.tensors, whole, macs=int(count_macs(network, alive)), images=probe),
        blocks=(),  # nothing was cut
        training=training,
    )
    write_student(folder, whole, record)


def _draw_weights(module: nn.Module) -> None:
    """Fresh weights for a searched architecture, which has no constructor of its own."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


@torch.no_grad()
def _draw_outside_layers(module: nn.Module, stored: StoredStudent) -> None:
    """Fresh tensors that stand outside layers, whose initial values no layer knows.

    A buffer (a mask, a table) is a constant of the architecture and is copied; a parameter (a scale, a position) is
    drawn with the mean and standard deviation of the stored one. `build` leaves both at 0.
    """
    layers = {step.path for step in stored.spec.steps if step.operation.kind != "Parameter"}
    fresh, known = module.state_dict(), stored.module.state_dict()
    for step in stored.spec.steps:
        if step.operation.kind != "Parameter" or step.path.rpartition(".")[0] in layers - {""}:
            continue
        fresh[step.path].copy_(known[step.path])
        if step.operation.arguments["is_trainable"]:
            values = known[step.path]
            fresh[step.path].normal_(float(values.mean()), float(values.std(correction=0)))
