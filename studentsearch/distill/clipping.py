"""Gradient clipping of the knowledge term K by the ratio of its norm to the main loss's, without a look at the host."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from studentsearch.distill.maps import in_full_precision
from studentsearch.errors import UsageError

ClippingMode = Literal["printed", "reversed", "off"]
CLIPPING_MODES: tuple[ClippingMode, ...] = get_args(ClippingMode)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clipping:
    """How the two gradients of a step relate; scalars on the device of the gradients.

    Attributes:
        tau: ||g_main|| / ||g_K||; 0 where the knowledge term has no gradient.
        beta: 1 / (1 + exp(-tau + epoch)), from 0 to 1.
        factor: What the knowledge term's gradient is multiplied by: beta or 1.
    """

    tau: Tensor
    beta: Tensor
    factor: Tensor


def clipping(main_norm: Tensor, knowledge_norm: Tensor, *, epoch: int, mode: ClippingMode = "printed") -> Clipping:
    """How much of the knowledge term's gradient is kept: beta = 1 / (1 + exp(-tau + p)), tau = ||g_main|| / ||g_K||.

    As printed, the knowledge term's gradient is scaled by beta where its norm is below the main loss's and left alone
    otherwise; reversed, where its norm is above. A norm that is not finite gives a tau that is not finite.

    Args:
        main_norm: Norm of the gradient of cross entropy and KL, a scalar >= 0.
        knowledge_norm: Norm of the gradient of the knowledge term, a scalar >= 0 on the same device.
        epoch: p, from 0; as it grows beta falls to 0, and no exponential overflows.
        mode: "off" gives the factor 1; the plain sum needs one backward pass only, so callers need not come here.

    Returns:
        The three scalars, float32 at least.

    Raises:
        UsageError: If there is no such mode; choose one that the message names.

    Source:
        Chou, Chiu and Liao, "Cross-layer knowledge distillation with KL divergence and offline ensemble for
        compressing deep neural network", APSIPA Transactions 10, 2021, e18.
    """
    if mode not in CLIPPING_MODES:
        raise UsageError(f'found clipping "{mode}"; expected one of {", ".join(CLIPPING_MODES)}')
    main, knowledge = in_full_precision(main_norm), in_full_precision(knowledge_norm)
    is_zero = knowledge == 0
    tau = torch.where(is_zero, 0.0, main / torch.where(is_zero, 1.0, knowledge))
    beta = torch.sigmoid(tau - epoch)
    one = torch.ones_like(beta)
    if mode == "off":
        return Clipping(tau=tau, beta=beta, factor=one)
    is_scaled = knowledge < main if mode == "printed" else knowledge > main
    return Clipping(tau=tau, beta=beta, factor=torch.where(is_scaled, beta, one))


def gradient_norm(gradients: Sequence[Tensor | None]) -> Tensor:
    """The Euclidean norm of all gradients as one vector.

    Args:
        gradients: Of any shapes, on one device; None where a parameter has none, but not everywhere.

    Returns:
        Scalar on the gradients' device.
    """
    present = [gradient for gradient in gradients if gradient is not None]
    assert present, "no parameter has a gradient"
    return torch.nn.utils.get_total_norm(present)


def combined_gradients(
    main: Sequence[Tensor | None], knowledge: Sequence[Tensor | None], factor: Tensor
) -> list[Tensor | None]:
    """The gradients main + factor * knowledge, parameter by parameter.

    Args:
        main: Gradients of cross entropy and KL; None where a parameter has none, such as an adapter's.
        knowledge: Gradients of the knowledge term, of the same parameters; None such as for the last layer's.
        factor: Scalar.

    Returns:
        As many gradients; None where both are None.
    """
    return [_combined(first, second, factor) for first, second in zip(main, knowledge, strict=True)]


def _combined(main: Tensor | None, knowledge: Tensor | None, factor: Tensor) -> Tensor | None:
    if knowledge is None:
        return main
    return factor * knowledge if main is None else main + factor * knowledge
