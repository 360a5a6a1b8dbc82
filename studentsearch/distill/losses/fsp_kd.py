"""FSP joined with Hinton's distillation (KD): the matrices of `fsp.py` beside cross entropy and KL throughout."""

from dataclasses import replace

from studentsearch.distill.loss import LossWeights
from studentsearch.distill.losses import fsp

METHOD = replace(
    fsp.METHOD,
    summary="cross entropy + KL + Gram matrices of neighbouring points, together",
    source=f"{fsp.METHOD.source}, joined with Hinton, Vinyals and Dean, 2015, arXiv",
    cost="one forward pass of each teacher and a few matrix products",
    needs=f"the same classes, {fsp.METHOD.needs}",
    weights=LossWeights(kl=1.0, knowledge=1.0),  # equal, as the cross-layer paper sums its terms
    first_stage=0.0,
)
