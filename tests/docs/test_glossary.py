"""The glossary has the terms that commands, reports and pages use, each in one or two sentences."""

import re

import pytest
from pages import ROOT

TERMS = dict(
    re.findall(
        r"^\*\*(.+?)\*\*\n: ((?:.+\n)+)", (ROOT / "docs" / "explanation" / "glossary.md").read_text(), re.MULTILINE
    )
)
WANTED = (
    *("teacher", "student", "ensemble", "temporal network", "block", "logits", "feature map", "channel", "filter"),
    *(
        "reader",
        "producer",
        "channel dependency",
        "propagation rule",
        "channel mask",
        "liveness",
        "ungated",
        "drop ratio",
    ),
    *(
        "multiply-accumulate",
        "flops",
        "budget",
        "gate",
        "penalty (lambda_2)",
        "weight decay (lambda_1)",
        "proximal step",
    ),
    *("iterate", "look-ahead", "kl", "kl target", "temperature", "gram matrix", "feature point", "adapter"),
    *("held-out", "test set", "standard deviation", "run folder", "student folder", "checkpoint", "manifest"),
)


@pytest.mark.parametrize("term", WANTED)
def test_a_term_is_explained(term: str) -> None:
    assert any(term in name.lower() for name in TERMS)


@pytest.mark.parametrize("term", TERMS)
def test_an_explanation_is_short(term: str) -> None:
    text = TERMS[term].strip()
    assert text.endswith(".")
    assert len(re.findall(r"\.(?:\s|$)", text)) <= 3
