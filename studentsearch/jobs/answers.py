"""What a network answers to held-out images: whether it is finite, and whether it tells images apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from studentsearch.data.batches import in_order
from studentsearch.engine.evaluate import LabelledBatch
from studentsearch.engine.runtime import Runtime
from studentsearch.jobs.opening import EVALUATION_BATCH, OpenedData
from studentsearch.outputs import ALONE, OutputPath

_NUM_IMAGES = 1000
# Probabilities are rounded to about 1e-7, and in another place of a batch to a neighbour of that.
_SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers of a network to the first held-out images.

    Attributes:
        num_images: How many were asked for.
        accuracy: Top-1 in percent.
        is_finite: Whether all logits are.
        spread: The largest difference between the probabilities of one class for two images, from 0 to 1; not a number
            where a logit is not finite.
        softened_spread: The same at the temperature that was asked for.
    """

    num_images: int
    accuracy: float
    is_finite: bool
    spread: float
    softened_spread: float

    @property
    def are_alike(self) -> bool:
        """Whether all images have the same answer but for rounding, so that nothing can be learnt from it."""
        return self.spread < _SMALLEST_SPREAD

    @property
    def are_alike_softened(self) -> bool:
        """Whether they have so at the temperature."""
        return self.softened_spread < _SMALLEST_SPREAD


def ask(
    module: nn.Module, data: OpenedData, runtime: Runtime, temperature: float = 1.0, logits: OutputPath = ALONE
) -> Answers:
    """Ask a network for the classes of the first 1,000 held-out images.

    Args:
        module: On the runtime's device; its mode is as before afterwards.
        data: The images.
        runtime: Where and how precisely to compute.
        temperature: What logits are divided by for the softened answers, > 0.
        logits: Where they stand in what the network returns.

    Returns:
        The answers.
    """
    held_out = data.split.held_out
    images = held_out.select(torch.arange(min(_NUM_IMAGES, len(held_out))))
    batches = in_order(images, data.normalization, EVALUATION_BATCH, runtime.device)
    answers = _logits(module, batches, runtime, logits)
    return Answers(
        num_images=len(images),
        accuracy=100 * float((answers.argmax(dim=1) == images.labels.cpu()).double().mean()),
        is_finite=bool(answers.isfinite().all()),
        spread=_spread(answers),
        softened_spread=_spread(answers / temperature),
    )


def _spread(logits: Tensor) -> float:
    answers = torch.softmax(logits, dim=1)
    return float((answers.amax(dim=0) - answers.amin(dim=0)).max())


def _logits(module: nn.Module, batches: Iterable[LabelledBatch], runtime: Runtime, place: OutputPath) -> Tensor:
    """`[N, classes]`, float64, on the CPU."""
    was_training = module.training
    module.eval()
    found = []
    with torch.no_grad():
        for batch in batches:
            with runtime.autocast():
                found.append(place.taken_from(module(batch.inputs)).double().cpu())
    module.train(was_training)
    return torch.cat(found)
