import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch

from studentsearch.errors import InputFileError, RunFolderError
from studentsearch.runs.files import JsonValue
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.manifest import read_manifest
from studentsearch.runs.tensors import save_tensors

CONFIGURATION: dict[str, JsonValue] = {"steps": 100, "rule": {"rate": 0.1, "cap": None}, "budgets": [3, 2]}


def opened(path: Path, **changes: JsonValue) -> AbstractContextManager[RunFolder]:
    return RunFolder.open(path, kind="search", configuration={**CONFIGURATION, **changes}, facts={"seed": 1})


def test_new_folder_has_a_manifest(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as run:
        assert not run.is_complete
        assert run.load_checkpoint() is None
    manifest = read_manifest(tmp_path / "run")
    assert (manifest.kind, manifest.status, manifest.results) == ("search", "running", {})
    assert manifest.configuration == CONFIGURATION
    assert manifest.facts == {"seed": 1}
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["schema"] == 1


def test_same_configuration_continues(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.save_checkpoint(3, {"w": torch.ones(2)}, {"phase": "a"})
        run.save_checkpoint(5, {"w": torch.arange(2)}, {"phase": "b"})
    with opened(tmp_path) as run:
        checkpoint = run.load_checkpoint()
        assert checkpoint is not None
        assert (checkpoint.step, checkpoint.facts) == (5, {"phase": "b"})
        assert torch.equal(checkpoint.tensors["w"], torch.arange(2))


def test_results_survive_reopening(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.finish({"macs": 5})
        assert run.is_complete
    with opened(tmp_path) as run:
        assert run.is_complete
        assert run.manifest.results == {"macs": 5}


def test_other_configuration_names_the_keys(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with pytest.raises(RunFolderError, match=r"rule\.rate 0\.1 there and 0\.2 here; choose another --out or the same"):
        opened(tmp_path, rule={"rate": 0.2, "cap": None}).__enter__()
    with pytest.raises(RunFolderError, match=r"steps 100 .* and 1 more; choose"):
        opened(tmp_path, steps=200, rule={"rate": 0.2, "cap": 0.9}, budgets=[3]).__enter__()
    with (
        pytest.raises(RunFolderError, match="holds a search run, this is a distill run"),
        RunFolder.open(tmp_path, kind="distill", configuration=CONFIGURATION, facts={}),
    ):
        pass


def test_folder_is_held_by_one(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(RunFolderError, match=r"in use by process \d+; wait"):
        opened(tmp_path).__enter__()
    with opened(tmp_path):
        pass


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        try:
            held = opened(tmp_path)
            held.__enter__()
        finally:  # whatever happens, the copy of this process must not go on with the tests
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (tmp_path / "manifest.json").exists()
    with opened(tmp_path) as run:
        assert not run.is_complete


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(RunFolderError, match=r"holds thesis\.txt and no manifest\.json"):
        opened(tmp_path).__enter__()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(RunFolderError, match="is a file"):
        opened(tmp_path / "thesis.txt").__enter__()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ('{"schema": 2}', "has schema 2; expected 1"),
        ("[]", "has schema list"),
        ('{"schema": 1, "kind": "a", "status": "x"}', "status 'x'"),
        ('{"schema": 1, "kind": "a", "status": "running"}', "no object 'configuration'"),
    ],
)
def test_damaged_manifest_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        read_manifest(tmp_path)


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is not a run folder"):
        read_manifest(tmp_path / "absent")


def test_weights_are_no_checkpoint(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        save_tensors(tmp_path / "checkpoint.safetensors", {"w": torch.ones(1)})
        with pytest.raises(InputFileError, match="no step in its header"):
            run.load_checkpoint()


def test_metrics_are_cut_where_a_run_continues(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        for step in range(1, 5):
            run.append_metrics({"step": step, "loss": 0.1 * step, "accuracy": None if step % 2 else 0.5})
    whole = (tmp_path / "metrics.csv").read_text()
    assert whole.splitlines()[:3] == ["step,loss,accuracy", "1,0.1,", "2,0.2,0.5"]
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("5,0.")  # a crash while writing
    with opened(tmp_path) as run:
        run.cut_metrics(after_step=3)
        run.append_metrics({"step": 4, "accuracy": 0.5, "loss": 0.4})
    assert (tmp_path / "metrics.csv").read_text() == whole


def test_metrics_keep_their_columns(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.cut_metrics(after_step=0)
        run.append_metrics({"step": 1, "loss": 2.0})
        with pytest.raises(ValueError, match="has columns"):
            run.append_metrics({"step": 2, "kl": 2.0})
        run.cut_metrics(after_step=-1)
        assert (tmp_path / "metrics.csv").read_text() == "step,loss\n"


def test_metrics_without_steps_cannot_be_cut(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        (tmp_path / "metrics.csv").write_text("loss\n1\n")
        with pytest.raises(RunFolderError, match="no column 'step'"):
            run.cut_metrics(after_step=1)
        (tmp_path / "metrics.csv").write_text("loss,step\n1,x\n")
        with pytest.raises(RunFolderError, match="whole step number"):
            run.cut_metrics(after_step=1)
