"""How well a network does, and how long it takes."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studentsearch.engine.modes import modes_restored
from studentsearch.engine.runtime import Runtime
from studentsearch.errors import UsageError
from studentsearch.outputs import ALONE, OutputPath

TIMED_IMAGES = 128
"""How many images a pass has whose time is taken."""


class LabelledBatch(Protocol):
    """Images and their classes, on the runtime's device."""

    @property
    def inputs(self) -> Tensor:
        """`[B, C, H, W]`, normalized floats."""

    @property
    def labels(self) -> Tensor:
        """`[B]`, int64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How well a network does.

    Attributes:
        accuracy: Share of images whose class has the largest logit, in percent.
        loss: Mean cross entropy in nats.
        num_images: Images evaluated on.
    """

    accuracy: float
    loss: float
    num_images: int


def evaluate(
    model: nn.Module, batches: Iterable[LabelledBatch], runtime: Runtime, logits: OutputPath = ALONE
) -> Evaluation:
    """Accuracy and loss of a network in evaluation mode; its modes are as before afterwards.

    Args:
        model: Maps `[B, C, H, W]` to logits `[B, classes]`; lies on the runtime's device.
        batches: At least one batch.
        runtime: Where and how precisely to compute.
        logits: Where the logits stand in what the network returns.

    Returns:
        The evaluation.

    Raises:
        UsageError: If there are no images.
    """
    num_right, loss, num_images = 0, 0.0, 0
    with modes_restored(model), torch.no_grad():
        model.eval()
        for batch in batches:
            with runtime.autocast():
                scores = logits.taken_from(model(batch.inputs))
            scores = scores.float()
            num_right += int((scores.argmax(dim=1) == batch.labels).sum())
            loss += float(F.cross_entropy(scores, batch.labels, reduction="sum"))
            num_images += len(batch.labels)
    if not num_images:
        raise UsageError("no images to evaluate on: expected at least one")
    return Evaluation(accuracy=100 * num_right / num_images, loss=loss / num_images, num_images=num_images)


def milliseconds_per_image(model: nn.Module, inputs: Tensor, runtime: Runtime, *, repeats: int = 5) -> float:
    """Time of a forward pass over its images, the least of several.

    Args:
        model: Lies on the runtime's device.
        inputs: `[B, C, H, W]` on that device; the figure depends on B.
        runtime: Where and how precisely to compute.
        repeats: Passes timed, after one that is not.

    Returns:
        Milliseconds an image.
    """
    seconds = []
    with modes_restored(model), torch.no_grad(), runtime.autocast():
        model.eval()
        for _ in range(repeats + 1):
            started = time.perf_counter()
            model(inputs)
            if inputs.is_cuda:
                torch.cuda.synchronize(inputs.device)
            seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds[1:]) / len(inputs)
