"""Cross entropy and KL with equal weights; the KL itself is `studentsearch/divergence.py`."""

from studentsearch.distill.loss import LossWeights, Method

METHOD = Method(
    summary="cross entropy + KL",
    source="Chou, Chiu and Liao, 2021, APSIPA Transactions (P2)",
    weights=LossWeights(kl=1.0),  # as printed
)
