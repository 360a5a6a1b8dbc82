"""No distillation: the student alone, the baseline of every comparison."""

from studentsearch.distill.loss import LossWeights, Method

METHOD = Method(
    summary="cross entropy only: the student alone",
    source="the baseline",
    cost="none",
    needs="no teacher",
    weights=LossWeights(),
)
