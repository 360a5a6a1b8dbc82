"""Hinton's distillation: a mixture of labels and softened outputs; the KL itself is `studentsearch/divergence.py`."""

from studentsearch.distill.loss import LossWeights, Method

METHOD = Method(
    summary="0.1 cross entropy + 0.9 KL at temperature 4, times 16",
    source="Hinton, Vinyals and Dean, 2015, arXiv; weights of Gu and Tresp, 2020, arXiv",
    weights=LossWeights(cross_entropy=0.1, kl=0.9),
)
