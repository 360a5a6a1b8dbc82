"""TensorBoard gets what metrics.csv holds."""

import sys
from pathlib import Path

import pytest
from made_runs import write_search, write_training

from studentsearch.cli.main import main
from studentsearch.errors import UsageError
from studentsearch.report import write_tensorboard

REASON = "needs the extra tensorboard"


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag to steps and values, as TensorBoard's own reader finds them."""
    pytest.importorskip("tensorboard", reason=REASON)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def test_every_column_becomes_a_scalar_over_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("tensorboard", reason=REASON)
    write_search(tmp_path / "run")
    events = tmp_path / "events" / "search"
    assert main(["report", str(tmp_path / "run"), "--tensorboard", str(events)]) == 0
    assert capsys.readouterr().out == f"{events}\n"
    scalars = read_scalars(events)
    columns = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert set(scalars) == set(columns) - {"step"}
    assert [step for step, _ in scalars["kl"]] == list(range(4, 869, 4))
    assert scalars["kl"][-1] == (868, pytest.approx(868 / 1500, rel=1e-6))  # TensorBoard keeps float32


def test_empty_cells_are_left_out(tmp_path: Path):
    pytest.importorskip("tensorboard", reason=REASON)
    write_training(tmp_path / "run", "distill")
    write_tensorboard(tmp_path / "run", tmp_path / "events")
    assert [step for step, _ in read_scalars(tmp_path / "events")["accuracy_held_out"]] == list(range(10, 301, 10))


def test_events_are_not_written_twice(tmp_path: Path):
    pytest.importorskip("tensorboard", reason=REASON)
    write_search(tmp_path / "run")
    write_tensorboard(tmp_path / "run", tmp_path / "events")
    with pytest.raises(UsageError, match=r"holds TensorBoard events already; .* choose another"):
        write_tensorboard(tmp_path / "run", tmp_path / "events")


def test_a_missing_extra_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_search(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(UsageError, match=r"pip install 'studentsearch\[tensorboard\]'"):
        write_tensorboard(tmp_path / "run", tmp_path / "events")
    assert not (tmp_path / "events").exists()
