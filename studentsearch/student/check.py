"""The proof before anything is written: the cut student computes what the gated network does, at the counted cost."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from studentsearch.errors import ProofError
from studentsearch.outputs import outputs_of
from studentsearch.records.counts import CutCheck
from studentsearch.student.build import build_with_weights
from studentsearch.student.counts import is_counted_by_thop, thop_macs, torch_flops
from studentsearch.student.slice import Cut

TOLERANCE = 1e-10  # float64, relative to the largest logit; only the order of summation differs


def check_cut(module: nn.Module, folded: Mapping[str, Tensor], student: Cut, *, macs: int, images: Tensor) -> CutCheck:
    """Measure and insist.

    Args:
        module: The whole network.
        folded: Its state with gates folded in.
        student: What was cut from it.
        macs: Multiply-accumulates counted from the open gates.
        images: `[B, C, H, W]`, normalised.

    Returns:
        The measured figures; both checks hold.

    Raises:
        ProofError: One of them does not: our bug, so that nothing may be written.
    """
    exact = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in folded.items()}
    small = {
        name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in student.tensors.items()
    }
    exported = build_with_weights(student.spec, small)
    with torch.no_grad():
        expected = functional_call(copy.deepcopy(module).double().eval(), exact, (images.double(),))
        found = exported(images.double())
    difference = largest_difference(expected, found)
    counter = "thop" if is_counted_by_thop(student.spec) else "torch"
    shapes = student.spec.input_shapes
    counted = thop_macs(exported, *shapes) if counter == "thop" else torch_flops(exported, shapes) // 2
    result = CutCheck(difference=difference, counted_macs=macs, counter=counter, independent_macs=counted)
    if not difference <= TOLERANCE:
        raise ProofError(
            f"the cut student differs from the gated network by {difference:.1e} of the largest logit; expected at "
            f"most {TOLERANCE:.0e}; nothing was written; report it"
        )
    if counted != macs:
        raise ProofError(
            f"the cut student has {macs:,} multiply-accumulates as counted here, {counter} counts {counted:,}; nothing "
            "was written; report it"
        )
    return result


def largest_difference(expected: object, found: object) -> float:
    """How far apart two networks' answers to the same images are.

    Args:
        expected: What one returned: a tensor, or several in any structure.
        found: What the other returned.

    Returns:
        The largest difference over all outputs, each relative to its largest expected entry; infinite where names or
        shapes differ, not a number where an entry is none.
    """
    ours, theirs = outputs_of(expected), outputs_of(found)
    if [(one.path, one.tensor.shape) for one in ours] != [(one.path, one.tensor.shape) for one in theirs]:
        return math.inf
    gaps = [_gap(one.tensor.detach(), other.tensor.detach()) for one, other in zip(ours, theirs, strict=True)]
    return math.nan if any(math.isnan(gap) for gap in gaps) else max(gaps, default=0.0)


def _gap(expected: Tensor, found: Tensor) -> float:
    if not expected.numel():
        return 0.0
    scale = expected.double().abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    return ((expected.double() - found.double()).abs().max() / scale).item()
