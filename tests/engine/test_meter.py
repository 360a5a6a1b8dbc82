"""Scalars of several steps read together."""

import pytest
import torch

from studentsearch.engine.meter import Meter


def test_kept_scalars_come_back_in_order():
    meter = Meter(seconds=10.0)
    for step in (1, 2, 3):
        meter.begin()
        meter.keep(step, {"loss": torch.tensor(float(step)), "kl": torch.tensor(-1.0, dtype=torch.float64)})
    read = meter.read(batch=4, beside=lambda: torch.tensor(7.0))
    readings = read.steps
    assert read.beside == 7
    assert [reading.step for reading in readings] == [1, 2, 3]
    assert [reading.values for reading in readings] == [{"loss": float(step), "kl": -1.0} for step in (1, 2, 3)]
    assert 10.0 < readings[0].seconds < readings[1].seconds < readings[2].seconds == meter.seconds
    assert len({reading.images_per_second for reading in readings}) == 1


def test_what_was_read_is_gone():
    meter = Meter()
    meter.begin()
    meter.keep(1, {"loss": torch.tensor(1.0)})
    assert len(meter.read(batch=1, beside=lambda: torch.zeros(())).steps) == 1
    again = meter.read(batch=1, beside=lambda: pytest.fail("asked without need"))
    assert (list(again.steps), again.beside) == ([], 0)
    assert not meter.is_due


def test_figures_wait_no_longer_than_told():
    meter = Meter(read_every_seconds=0.0)
    assert not meter.is_due
    meter.begin()
    meter.keep(1, {"loss": torch.tensor(1.0)})
    assert meter.is_due
