"""The Gram matrix between two layers: how strongly their channels fire together, whatever the position."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from studentsearch.distill.maps import as_map, in_full_precision, pooled, smaller_size, without_autocast


def gram_matrix(first: Tensor, second: Tensor) -> Tensor:
    """G[i, j] = sum over positions of first[i] * second[j], divided by the number of positions, for each picture.

    The larger map is average-pooled to the size of the smaller. The arithmetic is float32 at least.

    Args:
        first: `[B, C1, H1, W1]`, or `[B, C1]` as a map of one position.
        second: `[B, C2, H2, W2]`, or `[B, C2]`.

    Returns:
        `[B, C1, C2]`.

    Source:
        Yim, Joo, Bae and Kim, "A Gift from Knowledge Distillation", CVPR 2017, equation 1 (there the FSP matrix);
        Chou, Chiu and Liao, "Cross-layer knowledge distillation with KL divergence and offline ensemble for
        compressing deep neural network", APSIPA Transactions 10, 2021, for layers further apart.
    """
    first, second = in_full_precision(as_map(first)), in_full_precision(as_map(second))
    size = smaller_size(first, second)
    with without_autocast(first):
        product: Tensor = _Product.apply(_rows(pooled(first, size)), _rows(pooled(second, size)))
    return product / (size[0] * size[1])


def _rows(maps: Tensor) -> Tensor:
    """Positions as rows, `[B, H * W, C]`: a view of channels-last maps."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


class _Product(torch.autograd.Function):
    """left^T right for each picture; both gradients come as rows, so that no map changes its memory order."""

    @staticmethod
    def forward(context: FunctionCtx, left: Tensor, right: Tensor) -> Tensor:
        """`[B, N, C1]` and `[B, N, C2]` to `[B, C1, C2]`."""
        context.save_for_backward(left, right)
        return torch.bmm(left.transpose(1, 2), right)

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Right gradient^T, and left gradient; None for what wants none."""
        left, right = context.saved_tensors  # type: ignore[attr-defined]
        wants_left, wants_right = context.needs_input_grad  # type: ignore[attr-defined]
        return (
            torch.bmm(right, gradient.transpose(1, 2)) if wants_left else None,
            torch.bmm(left, gradient) if wants_right else None,
        )
