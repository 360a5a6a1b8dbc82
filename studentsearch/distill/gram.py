"""The Gram matrix between two layers: how strongly their channels fire together, whatever the position."""

from functools import cached_property

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from studentsearch.distill.maps import without_autocast


class Gram:
    """A Gram matrix as the two maps that it is the product of; its entries are computed once, if anyone asks.

    G[i, j] = sum over positions of first[i] * second[j], divided by the number of positions, for each image. Deep
    layers have few positions and many channels: 512 x 512 entries from 2 x 2 positions.

    Source:
        Yim, Joo, Bae and Kim, "A Gift from Knowledge Distillation", CVPR 2017, equation 1 (there the FSP matrix);
        Chou, Chiu and Liao, APSIPA Transactions 10, 2021, e18, for layers further apart.
    """

    def __init__(self, first: Tensor, second: Tensor) -> None:
        """Keep two maps.

        Args:
            first: `[B, C1, H, W]`, float32 at least.
            second: `[B, C2, H, W]`.
        """
        self.first, self.second = _rows(first), _rows(second)

    @property
    def num_positions(self) -> int:
        """Height times width of the maps."""
        return self.first.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """C1 and C2."""
        return self.first.shape[2], self.second.shape[2]

    @cached_property
    def entries(self) -> Tensor:
        """The matrix of every image, `[B, C1, C2]`."""
        with without_autocast(self.first):
            product: Tensor = _Product.apply(self.first, self.second)
        return product / self.num_positions


def squared_distance(first: Gram, second: Gram) -> Tensor:
    """The sum over images of ||G_first - G_second||^2, Frobenius norm.

    Where two layers have fewer positions than channels no matrix is made: with K = X X'^T between positions,
    <G, G'> = sum of K(left, left') * K(right, right') / (N N'), and ||G - G'||^2 = <G, G> - 2 <G, G'> + <G', G'>.

    Args:
        first: Of `[B, C1, C2]` entries.
        second: Likewise; the positions may differ in number.

    Returns:
        Scalar, >= 0 but for rounding.
    """
    left, right = first.shape
    if max(first.num_positions, second.num_positions) ** 2 < left * right:
        return _inner_product(first, first) - 2 * _inner_product(first, second) + _inner_product(second, second)
    return torch.sum((second.entries - first.entries) ** 2)


def _inner_product(first: Gram, second: Gram) -> Tensor:
    """The sum over images of <G_first, G_second>."""
    with without_autocast(first.first):
        of_left: Tensor = _Kernel.apply(first.first, second.first)
        of_right: Tensor = _Kernel.apply(first.second, second.second)
    return torch.sum(of_left * of_right) / (first.num_positions * second.num_positions)


def _rows(maps: Tensor) -> Tensor:
    """Positions as rows, `[B, H * W, C]`: a view of channels-last maps."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


class _Product(torch.autograd.Function):
    """left^T right for each image; both gradients come as rows, so that no map changes its memory order."""

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


class _Kernel(torch.autograd.Function):
    """left right^T for each image, both gradients as rows."""

    @staticmethod
    def forward(context: FunctionCtx, left: Tensor, right: Tensor) -> Tensor:
        """`[B, N, C]` and `[B, M, C]` to `[B, N, M]`."""
        context.save_for_backward(left, right)
        return torch.bmm(left, right.transpose(1, 2))

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Gradient right, and gradient^T left; None for what wants none."""
        left, right = context.saved_tensors  # type: ignore[attr-defined]
        wants_left, wants_right = context.needs_input_grad  # type: ignore[attr-defined]
        return (
            torch.bmm(gradient, right) if wants_left else None,
            torch.bmm(gradient.transpose(1, 2), left) if wants_right else None,
        )
