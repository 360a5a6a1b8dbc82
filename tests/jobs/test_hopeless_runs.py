"""Runs that cannot work, a tenth of the campaign: exit 4 or 3 with a cure, nothing on disk that is not finite."""

from pathlib import Path

import pytest
from campaigns.hopeless_runs import FAST, RUNS, Hopeless, attempt, not_finite


@pytest.mark.parametrize("run", FAST, ids=lambda run: run.name)
def test_a_hopeless_run_is_told(run: Hopeless, tmp_path: Path):
    outcome = attempt(run, tmp_path)
    assert outcome.wrong == [], outcome.line


def test_the_campaign_has_a_tenth_here():
    assert len(RUNS) >= 30
    assert set(FAST) <= set(RUNS)
    assert len(FAST) >= len(RUNS) // 10


def test_the_campaign_would_see_what_is_not_finite(tmp_path: Path):
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2.5\n2,inf\n3,\n")
    assert not_finite(tmp_path) == ["metrics.csv: cell inf"]
