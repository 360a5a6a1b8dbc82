"""What becomes of a student: trained for a step, written, read in a fresh process, exported."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from pathlib import Path

import reload
import torch
from cuts import RandomCut, Subject
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from studentsearch.graph.macs import count_macs, full_macs, paper_macs
from studentsearch.graph.trace import trace
from studentsearch.jobs.export import export
from studentsearch.records.counts import Counts, CutCheck
from studentsearch.records.origin import Origin
from studentsearch.records.student import StudentFacts
from studentsearch.student.blocks import kept_by_block
from studentsearch.student.counts import count_everything, is_counted_by_thop, thop_macs, torch_flops
from studentsearch.student.folder import write_student
from studentsearch.student.slice import Cut


def count_problem(subject: Subject, student: RandomCut) -> str:
    """Where our count is not that of an independent counter; empty where it is."""
    ours = int(count_macs(subject.network, student.alive))
    name = counter(student.cut)
    shapes = student.cut.spec.input_shapes
    found = thop_macs(student.module, *shapes) if name == "thop" else torch_flops(student.module, shapes) // 2
    return "" if found == ours else f"we count {ours}, {name} {found}"


def counter(student: Cut) -> str:
    """The independent counter of a student."""
    return "thop" if is_counted_by_thop(student.spec) else "torch"


def training_problem(module: nn.Module, images: Tensor) -> str:
    """What is wrong after one training step of a copy; empty where nothing is."""
    trained = copy.deepcopy(module).train()
    before = [parameter.detach().clone() for parameter in trained.parameters()]
    optimizer = torch.optim.SGD(trained.parameters(), lr=1e-2)
    logits = trained(images)
    loss = F.cross_entropy(logits, torch.arange(len(images)) % logits.shape[1])
    torch.autograd.backward(loss)
    optimizer.step()
    if not math.isfinite(loss.item()):
        return f"the loss is {loss.item()}"
    after = list(trained.parameters())
    is_moved = any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    return "" if is_moved else "no parameter changed"


def write(folder: Path, name: str, subject: Subject, student: RandomCut, *, difference: float) -> bool:
    """Write the student's folder.

    Args:
        folder: Where.
        name: The net's name.
        subject: The net.
        student: What was cut from it.
        difference: Measured between both.

    Returns:
        True.
    """
    macs = int(count_macs(subject.network, student.alive))
    check = CutCheck(difference=difference, counted_macs=macs, counter=counter(student.cut), independent_macs=macs)
    shapes = subject.network.input_shapes
    channels = shapes[0][0]
    origin = Origin(
        teacher=name,
        teacher_sha256="",
        data="noise",
        data_sha256="",
        classes=(),
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )
    record = StudentFacts(
        origin=origin,
        counts=count_everything(student.module, trace(student.module, *shapes)),
        teacher_counts=Counts(
            macs=full_macs(subject.network), paper=paper_macs(subject.network), thop=0, flops=0, parameters=0
        ),
        check=check,
        blocks=kept_by_block(subject.network, student.alive),
    )
    write_student(folder, student.cut, record)
    return True


def reload_problem(folder: Path, module: nn.Module, images: Tensor) -> str:
    """What a fresh process answers otherwise; empty where it gives the same bits."""
    with torch.no_grad():
        logits = module(images)
    save_file({"images": images, "logits": logits.contiguous()}, folder / reload.PROBE_NAME)
    command = [sys.executable, str(Path(reload.__file__)), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if result.returncode == 0 else (result.stderr.strip().splitlines() or ["no message"])[-1]


def onnx_difference(folder: Path) -> float:
    """How far onnxruntime's logits are from the student's, relative to the largest."""
    return export(folder, "onnx").difference
