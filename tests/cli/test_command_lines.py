"""Shares of the campaign of random command lines, see tests/campaigns/command_lines.py."""

import random
from pathlib import Path

import pytest
from campaigns.command_lines import Outcome, run_lines
from campaigns.drawn_lines import draw_line, make_place
from without_torch import WAS_IMPORTED, answers_without_torch


def test_two_hundred_random_mistakes_are_answered_without_torch(tmp_path: Path) -> None:
    make_place(tmp_path)
    answers = answers_without_torch([draw_line(random.Random(seed)) for seed in range(270)], tmp_path)
    refused = [answer for answer in answers if answer.exit_code and WAS_IMPORTED not in answer.err]
    assert len(refused) >= 200
    outcomes = [Outcome(words=one.words, exit_code=one.exit_code, seconds=0.0, err=one.err) for one in refused]
    assert {outcome.words: (outcome.problem, outcome.err) for outcome in outcomes if outcome.problem} == {}


@pytest.mark.slow  # the test above asks the same of the lines that need no torch
def test_no_random_command_line_is_our_bug() -> None:
    outcomes = run_lines(40, seed=10_000, with_processes=False)
    assert {outcome.words: (outcome.problem, outcome.err) for outcome in outcomes if outcome.problem} == {}
