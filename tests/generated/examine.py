"""What is asked of one generated network, and how it came out."""

from __future__ import annotations

import random
import re
import tempfile
import traceback
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.dependencies import Mask
from studentsearch.graph.gates import gate_sites, num_gates, scale_weights
from studentsearch.graph.liveness import liveness
from studentsearch.graph.macs import count_macs
from studentsearch.graph.network import Node
from studentsearch.graph.operations.table import is_reader
from studentsearch.graph.trace import Traced, trace_with_state
from studentsearch.records.counts import Counts, CutCheck
from studentsearch.records.origin import Origin
from studentsearch.records.student import StudentFacts
from studentsearch.student.build import build_with_weights
from studentsearch.student.counts import torch_flops
from studentsearch.student.folder import read_student, write_student
from studentsearch.student.plain import PlainNetwork, plain_network
from studentsearch.student.slice import Cut, cut
from studentsearch.student.source import model_source

from .masked import Noise, UnmaskableError, masked_answer
from .program import Program, images, tensors_of

SHARES = (0.1, 0.5, 0.9)
"""Shares of gates that are closed; whatever one closes, the next closes as well."""
TOLERANCE = 1e-10  # float64, relative to the largest entry; only the order of summation differs
_EXACT = 1e-12  # the same, where nothing is cut and only a kernel may differ
_AMPLIFIED = 1e3  # differences below so many times what rounding makes are the network's own
_ADDED = (-2, -1, 0, 0, 1, 1, 2, 3, 5, 8)
"""Steps that an axis of positions of another size is longer or shorter by."""
_OTHER_SIZES, _TRIALS_OF_SIZES = 3, 12
_FORM = re.compile(r"^(?=.*(\blayer\d|\bstage\d|\btable\d|\bx\d|generated\.py:\d|\bNet\b|^[a-z_]\w*: )).+: .+; .+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one network came out.

    Attributes:
        kind: `ok`, `refused`, `crash` or `wrong`.
        reason: For a refusal, crash or wrong value what it was, the same for all networks with this cause.
        detail: The whole message or traceback.
        is_exact: Whether open gates gave the original bit for bit.
    """

    kind: str
    reason: str = ""
    detail: str = ""
    is_exact: bool = True

    @property
    def is_find(self) -> bool:
        """Whether something is to be mended."""
        return self.kind in {"crash", "wrong"}


class _WrongError(Exception):
    """A value that is not what it must be."""


def examine(program: Program) -> Outcome:
    """Every check on one network; weights, images and gates follow from its text.

    Args:
        program: The network.

    Returns:
        How it came out.
    """
    try:
        return _Examination(program, zlib.crc32(str(program).encode())).outcome()
    except UnsupportedGraphError as error:
        return _refused(str(error))
    except _WrongError as error:
        return Outcome(kind="wrong", reason=_without_numbers(str(error)), detail=str(error))
    except Exception as error:
        # the innermost place of ours, and what was said there
        entries = [entry for entry in traceback.extract_tb(error.__traceback__) if "studentsearch" in entry.filename]
        place = f"{Path(entries[-1].filename).name}:{entries[-1].name}" if entries else "outside"
        return Outcome(
            kind="crash",
            reason=f"{type(error).__name__} in {place}: {_without_numbers(str(error))[:60]}",
            detail=traceback.format_exc(),
        )


def _refused(message: str) -> Outcome:
    if not _FORM.match(message):
        return Outcome(kind="crash", reason="a refusal that is not one line with place and cure", detail=message)
    if "answers otherwise" in message:
        return Outcome(kind="wrong", reason="the plain layers answer otherwise", detail=message)
    return Outcome(kind="refused", reason=_without_numbers(message.partition(": ")[2])[:90], detail=message)


def _without_numbers(message: str) -> str:
    """The first line up to its cure, the same for all networks with one cause."""
    first = (message.strip().splitlines() or [""])[0].partition(";")[0]
    return re.sub(r"\([^()]*\)|\[[^\]]*\]|\w*\d[\w.+-]*", "#", first)


class _Examination:
    """The checks in order; the first that fails ends them."""

    def __init__(self, program: Program, seed: int) -> None:
        self._program = program
        self._seed = seed
        self._module = program.module(seed)
        shapes = program.shapes
        traced = trace_with_state(self._module, *shapes)
        again = trace_with_state(self._module, *shapes)
        _insist(_described(traced) == _described(again), "a second trace differs")
        self._traced = traced
        self._plain: PlainNetwork = plain_network(self._module, *shapes)
        self._network = self._plain.network
        self._sites = gate_sites(self._network)
        self._state = dict(self._plain.module.state_dict())
        self._batches = [images(shapes, number, seed=number) for number in (2, 3 if seed % 2 else 1)]
        self._others = self._other_sizes()

    def outcome(self) -> Outcome:
        """Run the checks."""
        is_exact = self._open_gates()
        order = torch.rand(num_gates(self._sites), generator=torch.Generator().manual_seed(self._seed)).numpy()
        counts = [self._count_of(np.ones(len(order), dtype=np.bool_))]
        for share in SHARES:
            is_open = np.asarray(order >= share)
            counts.append(self._count_of(is_open))
            student = self._cut(is_open)
            self._compare(student, is_open, f"{share:.0%} closed")
            if share == SHARES[1]:
                self._stored(student)
        _insist(counts == sorted(counts, reverse=True), f"counts grow while gates close: {counts}")
        return Outcome(kind="ok", is_exact=is_exact)

    def _other_sizes(self) -> list[list[Tensor]]:
        """Images of other sizes that the network takes, of those for which the tool says that its students hold."""
        step, shapes = self._plain.size_step, self._program.shapes
        draw = random.Random(self._seed)
        taken: list[list[Tensor]] = []
        for _ in range(_TRIALS_OF_SIZES if step else 0):
            added = [step * draw.choice(_ADDED) for _ in range(max(map(len, shapes)))]
            others = tuple((shape[0], *map(sum, zip(shape[1:], added, strict=False))) for shape in shapes)
            if others == shapes or len(taken) == _OTHER_SIZES or any(min(shape) < 1 for shape in others):
                continue
            batch = images(others, 2)
            try:
                _answer(self._module, batch)
            except Exception:  # whatever it raises, it takes no such images
                continue
            taken.append(batch)
        return taken

    def _open_gates(self) -> bool:
        is_open = np.ones(num_gates(self._sites), dtype=np.bool_)
        student = build(self._cut(is_open))
        is_exact = True
        for batch in self._batches:
            expected = tensors_of(_answer(self._module, batch))
            for name, found in (("plain", self._plain.module), ("student", student)):
                answers = tensors_of(_answer(found, batch))
                is_exact &= all(torch.equal(one, other) for one, other in zip(answers, expected, strict=True))
                gap = difference(expected, answers)
                if gap > _EXACT and not self._is_rounding(is_open, batch, gap):
                    raise _WrongError(f"open gates: the {name} network differs by {gap:.1e}")
        return is_exact

    def _cut(self, is_open: Mask) -> Cut:
        gates = torch.from_numpy(is_open.astype(np.float64))
        alive = liveness(self._network, self._sites, is_open)
        return cut(self._network, alive, self._state | scale_weights(self._state, self._sites, gates))

    def _count_of(self, is_open: Mask) -> int:
        return int(count_macs(self._network, liveness(self._network, self._sites, is_open)))

    def _compare(self, student: Cut, is_open: Mask, when: str) -> None:
        module = build(student)
        source = written(student)
        for batch in self._batches:
            answer = _answer(module, batch)
            self._insist_near(is_open, batch, answer, when)
            again = tensors_of(_answer(source, batch))
            same = all(torch.equal(one, other) for one, other in zip(tensors_of(answer), again, strict=True))
            _insist(same, "model.py answers otherwise than the module")
        for others in self._others:
            try:
                answer = _answer(module, others)
            except (RuntimeError, ValueError) as error:
                # torch.instance_norm takes a single position, the layer that it is written as refuses one in words
                if "made for" not in str(error) and "Expected more than 1 spatial element" not in str(error):
                    raise _WrongError(f"another size: the student does not take it: {error}") from error
            else:
                self._insist_near(is_open, others, answer, f"another size, {when}")
        counted, ours = torch_flops(module, student.spec.input_shapes) // 2, self._count_of(is_open)
        if counted != ours:
            raise _WrongError(f"we count {ours} multiply-accumulates, torch {counted}")

    def _insist_near(self, is_open: Mask, batch: Sequence[Tensor], answer: object, when: str) -> None:
        try:
            expected = self._masked(is_open, batch)
        except UnmaskableError:
            return
        if not all(tensor.isfinite().all() for tensor in expected):
            return
        gap = difference(expected, tensors_of(answer))
        if gap > TOLERANCE and not self._is_rounding(is_open, batch, gap):
            raise _WrongError(f"{when}: the student differs by {gap:.1e}")

    def _masked(self, is_open: Mask, batch: Sequence[Tensor]) -> list[Tensor]:
        """What the original answers with closed gates.

        Where parts that nothing reads have gone from a gated layer, its gates are those of what is left: there the
        plain network, which was compared with the original, is masked in its place.
        """
        readers = {node.path: node for node in self._traced.network.nodes if is_reader(node)}
        left = [self._network.nodes[site.node] for site in self._sites]
        is_whole = all(node.path in readers and _num_read(node) == _num_read(readers[node.path]) for node in left)
        module = self._module if is_whole else self._plain.module
        network, state = (self._traced.network, self._traced.state) if is_whole else (self._network, self._state)
        return tensors_of(masked_answer(module, network, state, self._sites, is_open, batch))

    def _is_rounding(self, is_open: Mask, batch: Sequence[Tensor], gap: float) -> bool:
        """Whether rounding alone changes the network's answer as much."""
        expected = self._masked(is_open, batch)
        largest = 0.0
        for seed in range(3):
            with Noise(seed):
                noisy = self._masked(is_open, batch)
            largest = max(largest, difference(expected, noisy))
        return gap <= _AMPLIFIED * largest and largest > 1e-13

    def _stored(self, student: Cut) -> None:
        """The student's folder, written and read."""
        counts = Counts(macs=1, paper=1, thop=1, flops=2, parameters=1)
        record = StudentFacts(
            origin=_ORIGIN,
            counts=counts,
            teacher_counts=counts,
            check=CutCheck(difference=0.0, counted_macs=1, counter="torch", independent_macs=1),
            blocks=(),
        )
        with tempfile.TemporaryDirectory() as name:
            write_student(Path(name), student, record)
            stored = read_student(Path(name))
        _insist(stored.spec == student.spec, "config.json holds another architecture")
        expected = tensors_of(_answer(build(student), self._batches[0]))
        found = tensors_of(_answer(stored.module, self._batches[0]))
        same = all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))
        _insist(same, "the student that was read answers otherwise")


_ORIGIN = Origin(
    teacher="generated",
    teacher_sha256="0" * 64,
    data="none",
    data_sha256="0" * 64,
    classes=("a",),
    mean=(0.0,),
    std=(1.0,),
)


def _num_read(node: Node) -> int:
    """Entries of the input that a reader's weight has."""
    return node.operation.integer("in_features" if node.operation.kind == "Linear" else "in_channels")


def build(student: Cut) -> nn.Module:
    """The student as a module."""
    return build_with_weights(student.spec, student.tensors).double()


def written(student: Cut) -> nn.Module:
    """The module that the generated model.py builds."""
    space: dict[str, object] = {"__file__": "model.py", "__name__": "model"}
    exec(compile(model_source(student.spec, title="A student."), "model.py", "exec"), space)
    module = space["build"](None)  # type: ignore[operator]
    assert isinstance(module, nn.Module)
    module.to(torch.float64).load_state_dict(student.tensors)
    return module


def difference(expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """The largest difference, relative to the largest entry of all outputs."""
    if [tensor.shape for tensor in expected] != [tensor.shape for tensor in found]:
        return float("inf")
    # At a small size an output may be empty, as the network's own is.
    pairs = [pair for pair in zip(expected, found, strict=True) if pair[0].numel()]
    largest = max((tensor.abs().max().item() for tensor, _ in pairs), default=0.0)
    gaps = [(one - other).abs().max().item() for one, other in pairs]
    return float("inf") if any(gap != gap for gap in gaps) else max(gaps, default=0.0) / max(largest, 1e-30)


def _answer(module: nn.Module, batch: Sequence[Tensor]) -> object:
    with torch.no_grad():
        return module(*(image.clone() for image in batch))


def _insist(is_right: bool, otherwise: str) -> None:
    if not is_right:
        raise _WrongError(otherwise)


def _described(traced: Traced) -> object:
    """All that a trace says, as plain values."""
    return [
        (node.name, node.path, node.operation, node.inputs, node.shape, node.axis, node.unit_macs, node.keeps_all)
        for node in traced.network.nodes
    ]
