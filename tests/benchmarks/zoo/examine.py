"""One net through all checks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import artifacts
import torch
from catalogue import Entry
from cuts import RandomCut, Subject, difference, random_cut, relative
from norm_statistics import is_statistic
from random_weights import randomise
from rows import Outcome
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.gates import gate_sites, num_gates, ungated_layers
from studentsearch.graph.macs import full_macs
from studentsearch.student.counts import torch_flops
from studentsearch.student.plain import PlainNetwork, plain_network

SHARES = (0.1, 0.9, 0.5)  # the last one's student is trained, written, reloaded and exported
_TOLERANCE = 1e-4  # float32, relative to the largest logit; sums of other lengths round otherwise
_EXACT_TOLERANCE = 1e-9  # float64; only the order of summation differs
_SEED = 0
_Answer = TypeVar("_Answer")


def examine(entry: Entry, *, has_onnx: bool = True, is_brief: bool = False) -> Outcome:
    """All that is asked of one net.

    Args:
        entry: The net.
        has_onnx: Whether its student is exported.
        is_brief: Whether it is traced, cut and compared alone, at its first size.

    Returns:
        Its row; what goes wrong is noted there.
    """
    torch.manual_seed(_SEED)
    if is_brief:
        entry = replace(entry, sizes=entry.sizes[:1], is_exact=False)
    shape = (3, entry.sizes[0], entry.sizes[0])
    module = entry.make()
    randomise(module, _images(max(entry.sizes), 4), seed=_SEED)
    start = time.process_time()
    try:
        plain = plain_network(module, shape)
    except UnsupportedGraphError as error:
        return Outcome(name=entry.name, sizes=entry.sizes[:1], refused=str(error))
    seconds = time.process_time() - start
    examination = _Examination(entry, module, plain, has_onnx=has_onnx, is_brief=is_brief)
    return examination.outcome(trace_seconds=seconds)


def _images(size: int, number: int) -> Tensor:
    return torch.randn(number, 3, size, size, generator=torch.Generator().manual_seed(_SEED + size))


class _Examination:
    """Runs the checks in order and notes what each finds; one that fails does not stop the others."""

    def __init__(self, entry: Entry, module: nn.Module, plain: PlainNetwork, *, has_onnx: bool, is_brief: bool) -> None:
        self._entry, self._has_onnx, self._is_brief = entry, has_onnx, is_brief
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._large: list[str] = []
        network, sites = plain.network, gate_sites(plain.network)
        self._whole = len(ungated_layers(network, sites))
        own, state = module.state_dict(), plain.module.state_dict()
        changed = {site.weight_name for site in sites} | {name for name in state if is_statistic(name)}
        self._is_original = all(name in own and own[name].shape == state[name].shape for name in changed)
        ours, theirs = full_macs(network), torch_flops(module, network.input_shapes) // 2
        if ours != theirs:
            # a layer that standardises its weight, or one whose output nothing reads
            self._notes.append(f"whole net: we count {ours}, torch {theirs}")
        reference = module if self._is_original else plain.module
        if self._is_original:  # one copy of each tensor: the largest nets leave no room for more
            state = {
                name: own[name] if name in own and own[name].shape == it.shape else it for name, it in state.items()
            }
        self._subject = Subject(module=reference.eval(), network=network, sites=sites, state=state)
        is_one_size = any(not plain.holds_for_added(size - entry.sizes[0]) for size in entry.sizes)
        if is_one_size:
            self._entry = replace(entry, sizes=entry.sizes[:1])
        self._images = [_images(size, 2) for size in self._sizes(module)]
        if is_one_size:
            self._notes[-1] = f"one size, since its forward has its sizes as numbers: {entry.sizes[0]}"

    def outcome(self, *, trace_seconds: float) -> Outcome:
        """Run all checks.

        Args:
            trace_seconds: What the trace took.

        Returns:
            The row.
        """
        gaps: list[float] = []
        seconds: list[float] = []
        counted: list[bool] = []
        student: RandomCut | None = None
        for share in SHARES:
            student = None  # the largest nets leave no room for two
            student = self._attempt(f"cut at {share:.0%}", partial(self._cut, share))
            if student is not None:
                seconds.append(student.seconds)
                gaps += self._gaps(share, student)
                if not self._is_brief:
                    counted.append(self._is_counted(share, student))
        row = Outcome(
            name=self._entry.name,
            sizes=tuple(images.shape[-1] for images in self._images),
            gates=num_gates(self._subject.sites),
            whole=self._whole,
            trace_seconds=trace_seconds,
            cut_seconds=max(seconds, default=None),
            difference=max(gaps, default=None),
            reference="original" if self._is_original else "plain",
            is_counted=counted == [True] * len(SHARES),
            is_brief=self._is_brief,
        )
        if student is not None and not self._is_brief:
            row = self._with_artifacts(row, student)
        if self._entry.is_exact or self._large:  # float64 tells rounding from a wrong value
            row = replace(row, exact_difference=self._attempt("float64", self._exact_difference))
        return replace(row, problems=tuple(self._problems), notes=tuple(self._notes))

    def _attempt(self, check: str, run: Callable[[], _Answer]) -> _Answer | None:
        try:
            return run()
        except Exception as error:  # whatever it is, it is this net's row
            lines = str(error).strip().splitlines() or [""]
            self._problems.append(f"{check}: {type(error).__name__}: {lines[0]}")
            return None

    def _insist(self, check: str, problem: str | None) -> bool:
        """Note a problem; whether there was none (None: one has been noted)."""
        if problem:
            self._problems.append(f"{check}: {problem}")
        return problem == ""

    def _sizes(self, module: nn.Module) -> tuple[int, ...]:
        """The sizes that the net itself takes."""
        first, *more = self._entry.sizes
        for size in more:
            try:
                with torch.no_grad():
                    module(_images(size, 2))
            except Exception as error:  # the net's own refusal, in its words
                self._notes.append(f"one size, it refuses {size}: {(str(error).splitlines() or [''])[0]}")
                return (first,)
        if not more:
            self._notes.append(f"one size: made for {first}")
        return (first, *more)

    def _cut(self, share: float) -> RandomCut:
        images = _images(self._images[-1].shape[-1], 4)
        return random_cut(self._subject, images, closed_share=share, seed=_SEED)

    def _gaps(self, share: float, student: RandomCut) -> list[float]:
        """The differences at all sizes."""
        gaps: list[float] = []
        for images in self._images:
            check = f"{images.shape[-1]} px at {share:.0%}"
            gap = self._attempt(check, partial(difference, self._subject, student, images))
            if gap is not None:
                gaps.append(gap)
                self._large += [f"{check}: differs by {gap:.1e}"] * (not gap <= _TOLERANCE)
        with torch.no_grad():
            one, other = student.module(self._images[0])
        if relative(one, other) <= _TOLERANCE:
            self._notes.append(f"at {share:.0%} the image no longer matters")
        return gaps

    def _is_counted(self, share: float, student: RandomCut) -> bool:
        check = f"count at {share:.0%}"
        return self._insist(check, self._attempt(check, partial(artifacts.count_problem, self._subject, student)))

    def _with_artifacts(self, row: Outcome, student: RandomCut) -> Outcome:
        """The row with all that is done to the student that lost half of its gates."""
        images = self._images[0]
        row = replace(row, counter=artifacts.counter(student.cut))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write = partial(artifacts.write, folder, self._entry.name, self._subject, student)
            if self._attempt("write", partial(write, difference=row.difference or 0.0)):
                problem = self._attempt("reload", partial(artifacts.reload_problem, folder, student.module, images))
                onnx = self._attempt("onnx", partial(artifacts.onnx_difference, folder)) if self._has_onnx else None
                row = replace(row, is_reloaded=self._insist("reload", problem), onnx_difference=onnx)
        trained = self._attempt("train", partial(artifacts.training_problem, student.module, images))
        return replace(row, is_trained=self._insist("train", trained))

    def _exact_difference(self) -> float:
        """The largest difference in float64, over all shares and sizes."""
        self._subject = self._subject.double()
        students = [self._cut(share) for share in SHARES]
        gap = max(difference(self._subject, student, images) for student in students for images in self._images)
        if self._insist("float64", "" if gap <= _EXACT_TOLERANCE else f"differs by {gap:.1e}"):
            self._notes += [f"{check}, float64 by {gap:.1e}" for check in self._large]
        else:
            self._problems += self._large
        return gap
