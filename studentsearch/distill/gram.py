"""The Gram matrix between two layers: how strongly their channels fire together, whatever the position."""

import torch
from torch import Tensor

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
        left = pooled(first, size).flatten(2)
        right = pooled(second, size).flatten(2)
        return torch.bmm(left, right.transpose(1, 2)) / (size[0] * size[1])
