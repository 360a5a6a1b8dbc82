"""Whether a network's answers tell images apart: those of a teacher before it teaches, of a student afterwards."""

from __future__ import annotations

import math

import torch
from torch import nn

from studentsearch.data.batches import in_order
from studentsearch.engine.runtime import Runtime
from studentsearch.jobs.opening import EVALUATION_BATCH, OpenedData

_NUM_IMAGES = 1000
# Probabilities are rounded to about 1e-7, and in another place of a batch to another neighbour.
_SMALLEST_SPREAD = 1e-6


def answer_spread(module: nn.Module, data: OpenedData, runtime: Runtime, temperature: float = 1.0) -> float:
    """The largest difference between the probabilities that a network gives to one class for two images.

    Args:
        module: In evaluation mode afterwards as before, on the runtime's device.
        data: The first 1,000 held-out images are asked.
        runtime: Where and how precisely to compute.
        temperature: What logits are divided by before the softmax, > 0.

    Returns:
        From 0 to 1; not a number where a logit is not finite.
    """
    held_out = data.split.held_out
    images = held_out.select(torch.arange(min(_NUM_IMAGES, len(held_out))))
    was_training = module.training
    module.eval()
    lowest: torch.Tensor | None = None
    highest: torch.Tensor | None = None
    with torch.no_grad():
        for batch in in_order(images, data.normalization, EVALUATION_BATCH, runtime.device):
            with runtime.autocast():
                logits = module(batch.inputs)
            answers = torch.softmax(logits.double() / temperature, dim=1)
            answers = torch.where(logits.isfinite().all(), answers, math.nan)
            least, most = answers.amin(dim=0), answers.amax(dim=0)
            lowest = least if lowest is None else torch.minimum(lowest, least)
            highest = most if highest is None else torch.maximum(highest, most)
    module.train(was_training)
    return 0.0 if lowest is None or highest is None else float((highest - lowest).max())


def answers_alike(module: nn.Module, data: OpenedData, runtime: Runtime, temperature: float = 1.0) -> bool:
    """Whether a network gives all images the same answer, so that nothing can be learnt from it.

    Args:
        module: On the runtime's device.
        data: The first held-out images are asked.
        runtime: Where and how precisely to compute.
        temperature: What logits are divided by before the softmax, > 0.

    Returns:
        True where no probability differs between two images by more than rounding.
    """
    return answer_spread(module, data, runtime, temperature) < _SMALLEST_SPREAD
