"""FSP, the flow of the solution procedure: Gram matrices between neighbouring feature points."""

from collections.abc import Sequence

from torch import Tensor

from studentsearch.distill.cross_layer import Reduction, cross_layer_loss

NEIGHBOURS = 1
"""How far apart two points of a matrix are."""


def fsp_loss(
    student_points: Sequence[Tensor], teacher_points: Sequence[Tensor], reduction: Reduction = "sum"
) -> Tensor:
    """(1 / B) * sum over pictures and neighbouring points i, i + 1 of ||G_i(teacher) - G_i(student)||^2.

    The source trains in two stages: this loss alone first, then the task alone. It takes both points of a matrix from
    maps of one size; here the larger one is average-pooled to the smaller, and all lambdas are 1, as there.

    Args:
        student_points: `[B, C_i, H_i, W_i]` each, shallow to deep, 2 at least.
        teacher_points: As many, as wide each.
        reduction: As of `cross_layer_loss`; "sum" is printed.

    Returns:
        Scalar, float32 at least, >= 0.

    Source:
        Yim, Joo, Bae and Kim, "A Gift from Knowledge Distillation: Fast Optimization, Network Minimization and
        Transfer Learning", CVPR 2017, equations 1 and 2.
    """
    return cross_layer_loss(student_points, teacher_points, max_distance=NEIGHBOURS, reduction=reduction)
