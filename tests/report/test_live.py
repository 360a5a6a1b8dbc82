import io

import pytest
from rich.console import Console

from studentsearch.report.live import RichProgress, seconds_left


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def progress_into(file: io.StringIO, clock: Clock, *, is_terminal: bool) -> RichProgress:
    console = Console(file=file, width=80, force_terminal=is_terminal, color_system=None, _environ={"TERM": "xterm"})
    return RichProgress(console, clock=clock)


def test_plain_lines_come_every_ten_seconds_and_at_the_end() -> None:
    file, clock = io.StringIO(), Clock()
    with progress_into(file, clock, is_terminal=False) as progress:
        progress.begin("search", total=110, first=10)
        for step in range(11, 36):
            clock.now += 1
            progress.advance(step, {"kl": 0.25, "macs": 151_200_000 - step, "images_per_second": 1234.5})
        progress.say("[200M] met at step 35")
    assert file.getvalue().splitlines() == [
        "search: 110 steps, continued after step 10",
        "search 20/110  1m 30s left  KL 0.25  MACs 151.2M  images/s 1,234",
        "search 30/110  1m 20s left  KL 0.25  MACs 151.2M  images/s 1,234",
        "[200M] met at step 35",
        "search 35/110  in 25s  KL 0.25  MACs 151.2M  images/s 1,234",
    ]


def test_end_says_nothing_twice() -> None:
    file, clock = io.StringIO(), Clock()
    progress = progress_into(file, clock, is_terminal=False)
    progress.end()
    progress.begin("distill", total=1, first=0)
    clock.now += 11
    progress.advance(1, {"loss": 0.5})
    progress.end()
    progress.end()
    assert file.getvalue().splitlines() == ["distill: 1 steps", "distill 1/1  0s left  loss 0.5"]


def test_terminal_shows_bar_facts_and_time_left() -> None:
    file, clock = io.StringIO(), Clock()
    with progress_into(file, clock, is_terminal=True) as progress:
        progress.begin("search", total=100, first=0)
        clock.now += 5
        progress.advance(50, {"open_share": 0.5, "accuracy_held_out": 70.25})
        progress.say("half [way]")
    text = file.getvalue()
    assert "half [way]" in text
    assert "50/100  in 5s" in text
    assert "open 50.0%  accuracy held out 70.2%" in text


def fail_while_running(progress: RichProgress) -> None:
    with progress:
        progress.begin("search", total=100, first=0)
        raise RuntimeError("broken")


def test_error_gives_the_terminal_back() -> None:
    file = io.StringIO()
    with pytest.raises(RuntimeError, match="broken"):
        fail_while_running(progress_into(file, Clock(), is_terminal=True))
    assert file.getvalue().rstrip().endswith("\x1b[?25h")


def test_nothing_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with RichProgress() as progress:
        progress.begin("search", total=2, first=0)
        progress.advance(1, {"loss": 1.0})
        progress.say("line")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "line" in captured.err


def test_time_left_counts_only_steps_taken_here() -> None:
    assert seconds_left(first=10, step=10, total=20, elapsed=5) is None
    assert seconds_left(first=10, step=15, total=20, elapsed=5) == 5
    assert seconds_left(first=0, step=25, total=20, elapsed=5) == 0
