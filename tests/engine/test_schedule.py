import pytest

from studentsearch.engine.schedule import Schedule, cosine, milestones, warmup_factor
from studentsearch.errors import UsageError


def test_cosine_by_hand() -> None:
    rates = [cosine(step, total_steps=4, rate=0.2, final=0.1) for step in (0, 2, 4, 9)]
    assert rates == pytest.approx([0.2, 0.15, 0.1, 0.1])


def test_milestones_by_hand() -> None:
    rates = [milestones(step, rate=1.0, milestones=(150, 225), gamma=0.1) for step in (0, 149, 150, 224, 225)]
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01])


def test_warmup_by_hand() -> None:
    assert [warmup_factor(step, 4) for step in (0, 1, 3, 4)] == [0.25, 0.5, 1.0, 1.0]
    assert warmup_factor(0, 0) == 1.0


def test_warmup_multiplies_each_kind() -> None:
    constant = Schedule(kind="constant", rate=0.4, total_steps=10, warmup_steps=2)
    assert [constant.rate_at(step) for step in (0, 1, 9)] == [0.2, 0.4, 0.4]
    falling = Schedule(kind="milestones", rate=0.4, total_steps=10, milestones=(5,), gamma=0.5, warmup_steps=2)
    assert [falling.rate_at(step) for step in (0, 4, 5)] == [0.2, 0.4, 0.2]
    waved = Schedule(kind="cosine", rate=0.4, total_steps=10, warmup_steps=2)
    assert waved.rate_at(0) == pytest.approx(0.2)
    assert waved.rate_at(5) == pytest.approx(0.2)
    assert waved.rate_at(10) == pytest.approx(0.0)


def test_wrong_schedules_are_refused() -> None:
    with pytest.raises(UsageError, match="schedule 'linear' is unknown: expected cosine, milestones or constant"):
        Schedule(kind="linear", rate=0.1, total_steps=1)  # type: ignore[arg-type]
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"a learning rate of .*: expected a number above 0"):
            Schedule(kind="constant", rate=rate, total_steps=1)
    with pytest.raises(UsageError, match="5 steps with 6 of warm-up"):
        Schedule(kind="constant", rate=0.1, total_steps=5, warmup_steps=6)
