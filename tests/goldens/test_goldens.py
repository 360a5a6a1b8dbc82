"""What does not depend on the processor, and losses up to rounding; `python -m tests.goldens` compares bits."""

import json
from pathlib import Path

import pytest

from .losses import losses
from .students import NETWORKS, student

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())
STRUCTURE = ("macs", "parameters", "gates", "source", "blocks")
SMALL = ("densenet_digits", "resnet20", "torchvision:squeezenet1_1")


def test_losses_are_the_recorded_ones() -> None:
    found = losses()
    assert found.keys() == RECORDED["losses"].keys()
    for name, numbers in found.items():
        recorded = [float.fromhex(number) for number in RECORDED["losses"][name]]
        # float64; processors sum in another order, and the singular vectors amplify that most
        assert [float.fromhex(number) for number in numbers] == pytest.approx(recorded, rel=1e-9), name


@pytest.mark.parametrize(
    "name", [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_students_are_the_recorded_ones(name: str) -> None:
    found, recorded = student(name), RECORDED["students"][name]
    assert {part: found[part] for part in STRUCTURE} == {part: recorded[part] for part in STRUCTURE}
