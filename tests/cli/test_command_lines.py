"""A share of the campaign of random command lines, see tests/campaigns/command_lines.py."""

import pytest
from campaigns.command_lines import run_lines


@pytest.mark.slow  # test_checked_first.py asks the same of lines that are written down
def test_no_random_command_line_is_our_bug() -> None:
    outcomes = run_lines(40, seed=10_000, with_processes=False)
    assert {outcome.words: (outcome.problem, outcome.err) for outcome in outcomes if outcome.problem} == {}
