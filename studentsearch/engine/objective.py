"""What a training minimises, as the training sees it: something that leaves gradients behind."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional as F

from studentsearch.outputs import ALONE, OutputPath

Autocast = Callable[[], AbstractContextManager[None]]
"""Makes the context in which a forward pass runs; `Runtime.autocast` is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where a training stands before a step.

    Attributes:
        epoch: Whole passes over the training images behind it, 0 in the first.
        share: Share of all its steps behind it, in [0, 1).
    """

    epoch: int
    share: float


class Objective(Protocol):
    """What is minimised."""

    @property
    def trained(self) -> nn.Module:
        """What is trained with the network and not kept, such as adapters; its state goes into checkpoints."""

    def backward(self, inputs: Tensor, labels: Tensor, moment: Moment) -> Mapping[str, Tensor]:
        """Leave this batch's gradients in the network and in `trained`, which have none yet.

        Args:
            inputs: `[B, C, H, W]`, normalised.
            labels: `[B]`, int64.
            moment: Where the training stands.

        Returns:
            Named scalars without gradient, the same names at every step; `loss` is what is minimised.
        """


class CrossEntropy:
    """Cross entropy to the labels."""

    def __init__(self, module: nn.Module, autocast: Autocast, logits: OutputPath = ALONE) -> None:
        """Keep the network.

        Args:
            module: `[B, C, H, W]` to logits `[B, K]`, and what else it returns.
            autocast: Makes the context of a forward pass.
            logits: Where the logits stand in what it returns in training mode.
        """
        self._module, self._autocast, self._logits = module, autocast, logits
        self.trained = nn.Module()

    def backward(self, inputs: Tensor, labels: Tensor, moment: Moment) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Leave the gradients of one batch.

        Args:
            inputs: `[B, C, H, W]`.
            labels: `[B]`.
            moment: Unused.

        Returns:
            `loss`.
        """
        with self._autocast():
            logits = self._logits.taken_from(self._module(inputs))
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach()}
