"""Checkpoints that cannot lie: what is not whole, or not of this run, is never continued from."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from run_folders import CONFIGURATION, State, opened, silent

from studentsearch.errors import DiskError, InputFileError
from studentsearch.runs import checkpoints
from studentsearch.runs.files import json_sha256
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.manifest import read_manifest
from studentsearch.runs.tensors import save_tensors

NEWEST, PREVIOUS = "checkpoint.safetensors", "checkpoint-previous.safetensors"


def tensors(step: int) -> dict[str, torch.Tensor]:
    return {"w": torch.arange(4) + step, "half": torch.full((3,), step / 7, dtype=torch.bfloat16)}


def save(run: RunFolder, step: int) -> None:
    run.append_metrics({"step": step, "loss": 1 / step})
    run.save_checkpoint(step, tensors(step), State(phase=f"phase {step}"))


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that stopped after its second checkpoint, at step 2."""
    with opened(tmp_path) as run:
        for step in (1, 2):
            save(run, step)
    return tmp_path


def loaded(path: Path) -> tuple[int, list[str]]:
    """The step that a run continues from, and what it says."""
    lines: list[str] = []
    with opened(path) as run:
        checkpoint = run.load_checkpoint(State, lines.append)
        assert checkpoint is not None
        assert checkpoint.facts == State(phase=f"phase {checkpoint.step}")
        expected = tensors(checkpoint.step)
        assert set(checkpoint.tensors) == set(expected)
        assert all(torch.equal(checkpoint.tensors[name], expected[name]) for name in expected)
    assert len((path / "metrics.csv").read_text().splitlines()) == 1 + checkpoint.step
    return checkpoint.step, lines


def test_the_newest_is_continued(stopped: Path) -> None:
    assert loaded(stopped) == (2, [])
    names = {file.name for file in stopped.iterdir()}
    assert names == {".lock", "manifest.json", "metrics.csv", NEWEST, PREVIOUS}


def empty(file: Path) -> None:
    file.write_bytes(b"")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def weights(file: Path) -> None:
    save_tensors(file, {"w": torch.ones(1)})


def flip(offset: int) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[offset] ^= 4
        file.write_bytes(content)

    return change


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": empty,
    "truncated": truncate,
    "header's length": flip(2),
    "header": flip(40),
    "tensor": flip(-1),
    "weights alone": weights,
    "no file": folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_gives_way_to_the_one_before(stopped: Path, damage: str) -> None:
    DAMAGES[damage](stopped / NEWEST)
    step, (line,) = loaded(stopped)
    assert step == 1
    assert line.startswith(f"warning: {stopped / NEWEST}" if damage == "missing" else "warning: ")
    assert line.endswith("; continued from the checkpoint before it, step 1")


@pytest.mark.parametrize("damage", DAMAGES)
def test_two_damaged_ones_are_told_with_the_cure(stopped: Path, damage: str) -> None:
    for name in (NEWEST, PREVIOUS):
        DAMAGES[damage](stopped / name)
    with opened(stopped) as run, pytest.raises(InputFileError, match=r"another --out, or delete .* to begin again"):
        run.load_checkpoint(State, silent)
    assert len((stopped / "metrics.csv").read_text().splitlines()) == 3


def test_every_flipped_bit_is_found(stopped: Path) -> None:
    file = stopped / NEWEST
    content = file.read_bytes()
    identity = checkpoints.RunIdentity(kind="search", configuration_sha256=json_sha256(CONFIGURATION))
    files = checkpoints.CheckpointFiles(stopped, identity)
    assert files.load(State, silent, cure="").step == 2
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        file.write_bytes(changed)
        assert files.load(State, silent, cure="").step == 1, position


def test_a_damaged_newest_never_replaces_the_one_before(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truncate(stopped / NEWEST)

    def killed(source: Path, target: Path) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    with opened(stopped) as run:
        assert run.load_checkpoint(State, silent) is not None
        run.append_metrics({"step": 2, "loss": 0.5})
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints, "move", killed)
            with pytest.raises(KeyboardInterrupt):
                run.save_checkpoint(2, tensors(2), State(phase="phase 2"))
    assert loaded(stopped)[0] == 1
    with opened(stopped) as run:
        assert run.load_checkpoint(State, silent) is not None
        save(run, 2)
        save(run, 3)
    assert loaded(stopped) == (3, [])
    (stopped / NEWEST).unlink()
    assert loaded(stopped)[0] == 2


def test_a_full_disk_leaves_those_of_before(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:  # noqa: ARG001
        raise OSError(28, "No space left on device")

    with opened(stopped) as run:
        run.load_checkpoint(State, silent)
        run.append_metrics({"step": 3, "loss": 0.1})
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(DiskError, match="No space left on device; free space"):
                run.save_checkpoint(3, tensors(3), State(phase="phase 3"))
    assert not list(stopped.glob(".*.tmp"))
    assert loaded(stopped) == (2, [])


def test_a_checkpoint_of_other_options_is_noticed(stopped: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "other", steps=7) as run:
        save(run, 1)
    (stopped / NEWEST).write_bytes((tmp_path / "other" / NEWEST).read_bytes())
    step, (line,) = loaded(stopped)
    assert step == 1
    assert "is of a search run with other options; continued" in line


def test_facts_of_another_form_are_noticed(stopped: Path) -> None:
    with opened(stopped) as run:
        for step in (3, 4):
            run.save_checkpoint(step, {}, checkpoints.RunIdentity(kind="a", configuration_sha256="b"))
        with pytest.raises(InputFileError, match=r"facts: .*missing required field `phase`"):
            run.load_checkpoint(State, silent)


def test_another_torch_is_told(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "9.9.9")
    step, (line,) = loaded(stopped)
    assert step == 2
    assert line.startswith("warning: continued under torch 9.9.9, the checkpoint is of torch ")


def test_a_run_that_never_wrote_one_begins_and_one_that_did_does_not(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        assert run.load_checkpoint(State, silent) is None
        assert not read_manifest(tmp_path).has_checkpoint
        save(run, 1)
        assert read_manifest(tmp_path).has_checkpoint
    (tmp_path / NEWEST).unlink()
    with opened(tmp_path) as run, pytest.raises(InputFileError, match=r"is gone, and there is none before it; put one"):
        run.load_checkpoint(State, silent)


def test_a_complete_run_without_checkpoints_begins_again_and_says_so(stopped: Path) -> None:
    lines: list[str] = []
    with opened(stopped) as run:
        run.finish({"accuracy": 1}, {})
        for name in (NEWEST, PREVIOUS):
            (stopped / name).unlink()
        assert run.load_checkpoint(State, lines.append) is None
    assert lines[0].endswith("this run begins again")
    manifest = read_manifest(stopped)
    assert (manifest.status, manifest.results, manifest.files, manifest.has_checkpoint) == ("running", {}, {}, False)
    assert (stopped / "metrics.csv").read_text() == ""


def test_a_complete_run_that_goes_on_is_running(stopped: Path) -> None:
    with opened(stopped) as run:
        run.finish({"accuracy": 1}, {})
    assert loaded(stopped) == (2, [])
    assert read_manifest(stopped).status == "running"


def test_the_header_is_plain_json(stopped: Path) -> None:
    content = (stopped / NEWEST).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["checkpoint"])["step"] == 2
