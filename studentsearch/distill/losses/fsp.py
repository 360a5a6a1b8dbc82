"""FSP, the flow of the solution procedure: Gram matrices between neighbouring feature points, before the task."""

from dataclasses import dataclass

from torch import Tensor

from studentsearch.distill.gram import Gram
from studentsearch.distill.loss import Knowledge, Method, Term
from studentsearch.distill.losses.cross_layer import Reduction, gram_distance, gram_matrices, point_pairs

_NEIGHBOURS = 1  # how far apart the two points of a matrix are


@dataclass(frozen=True, slots=True, kw_only=True)
class Fsp(Term[tuple[Gram, ...]]):
    """FSP loss of two networks: `gram_distance` of the matrices between neighbouring points i and i + 1.

    The source takes both points of a matrix from maps of one size; here the larger one is average-pooled to the
    smaller, and all lambdas are 1, as there.

    Attributes:
        reduction: Whether the squared differences of a matrix's entries are averaged, or summed as printed.

    Source:
        Yim, Joo, Bae and Kim, "A Gift from Knowledge Distillation: Fast Optimization, Network Minimization and
        Transfer Learning", CVPR 2017, equations 1 and 2.
    """

    reduction: Reduction = "mean"

    def read(self, network: Knowledge) -> tuple[Gram, ...]:
        """The matrices of neighbouring points."""
        return gram_matrices(network.points, _NEIGHBOURS)

    def compare(self, student: tuple[Gram, ...], teacher: tuple[Gram, ...], labels: Tensor) -> Tensor:
        """Their distance."""
        return gram_distance(student, teacher, self.reduction)

    def require_points(self, num_points: int) -> None:
        """Two points at least have a neighbour."""
        point_pairs(num_points, _NEIGHBOURS)


METHOD = Method(
    summary="Gram matrices of neighbouring points for a quarter of the steps, then cross entropy only",
    source="Yim, Joo, Bae and Kim, 2017, CVPR",
    cost="one forward pass of each teacher and a few matrix products, in the first stage",
    needs="as many points on both sides; adapters where widths differ",
    has_points=True,
    equal_widths=True,
    term=Fsp,
    first_stage=0.25,  # as in the source: 21,000 iterations, then 64,000
)
