import json
import os
import time
from pathlib import Path

import pytest
from run_folders import CONFIGURATION, State, opened, silent

from studentsearch.errors import DiskError, InputFileError, RunFolderError, RunInUseError
from studentsearch.runs import hold
from studentsearch.runs.folder import RunFolder
from studentsearch.runs.hold import claim_run_folder, hold_run_folder
from studentsearch.runs.manifest import is_finished, read_manifest


@pytest.fixture(autouse=True)
def without_waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "second" not in request.node.name:
        monkeypatch.setattr(hold, "_WAIT_SECONDS", 0.01)


def test_new_folder_has_a_manifest(tmp_path: Path) -> None:
    with opened(tmp_path / "run") as run:
        assert not run.is_complete
        assert run.load_checkpoint(State, silent) is None
    manifest = read_manifest(tmp_path / "run")
    assert (manifest.kind, manifest.status, manifest.results) == ("search", "running", {})
    assert manifest.configuration == CONFIGURATION
    assert manifest.facts == {"seed": 1}
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["schema"] == 2


def test_results_survive_reopening(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.finish({"macs": 5}, {})
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
        ("", "truncated"),
        ("{", "truncated"),
        ('{"schema": 3}', "has schema 3; expected 1 or 2"),
        ("[]", "Expected `object`, got `array`"),
        ('{"schema": 1, "kind": "a", "status": "x"}', "Invalid enum value 'x'"),
        ('{"schema": 1, "kind": "a", "status": "running"}', "missing required field `configuration`"),
        ('{"schema": 1, "kind": "a", "status": "running", "configuration": 1}', r"Expected `object`, got `int`"),
        ("[" * 10_000, "nested too deeply|Expected `object`"),
    ],
)
def test_damaged_manifest_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputFileError, match=f"{message}.*(another --out|the version that wrote it)"):
        read_manifest(tmp_path)


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.finish({"accuracy": 71.25}, {})
    file = tmp_path / "manifest.json"
    whole = file.read_text()
    assert read_manifest(tmp_path).results == {"accuracy": 71.25}
    for old, new in (("71.25", "77.25"), ("complete", "running"), ('"schema": 2', '"schema": 1'), ("sha256", "sha255")):
        file.write_text(whole.replace(old, new, 1))
        with pytest.raises(InputFileError, match=r"was changed after it was written.*put the file back"):
            read_manifest(tmp_path)
    file.write_text(whole.replace("  ", " "))
    assert read_manifest(tmp_path).results == {"accuracy": 71.25}


def test_a_run_of_before_there_were_hashes_is_read_and_not_continued(tmp_path: Path) -> None:
    older = {"schema": 1, "kind": "search", "status": "complete", "facts": {}, "results": {}}
    (tmp_path / "manifest.json").write_text(json.dumps({**older, "configuration": CONFIGURATION}))
    assert read_manifest(tmp_path).configuration == CONFIGURATION
    with pytest.raises(RunFolderError, match="written by an older version, schema 1; choose another --out"):
        opened(tmp_path).__enter__()


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is not a run folder"):
        read_manifest(tmp_path / "absent")


def test_a_folder_is_held_before_anything_is_written(tmp_path: Path) -> None:
    with hold_run_folder(tmp_path / "runs" / "run"):
        with pytest.raises(RunInUseError, match=rf"in use by process {os.getpid()}; wait"):
            hold_run_folder(tmp_path / "runs" / "run").__enter__()
        assert sorted(file.name for file in (tmp_path / "runs" / "run").iterdir()) == [".holder", ".lock"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("kind", ["pipe", "link to /dev/zero"])
def test_who_holds_a_folder_is_read_from_a_regular_file_only(kind: str, tmp_path: Path) -> None:
    with hold_run_folder(tmp_path):
        (tmp_path / ".holder").unlink()
        if kind == "pipe":
            os.mkfifo(tmp_path / ".holder")
        else:
            (tmp_path / ".holder").symlink_to("/dev/zero")
        with pytest.raises(RunInUseError, match="in use by another process; wait"):
            hold_run_folder(tmp_path).__enter__()


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside"])
def test_a_manifest_that_names_a_file_outside_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    with opened(tmp_path / "run") as run:
        run.finish({}, {name: "a" * 64})
    with pytest.raises(RunFolderError, match=r"expected a path inside .*; copy the run folder again"):
        is_finished(tmp_path / "run")


def test_a_claim_is_taken_over_once(tmp_path: Path) -> None:
    with claim_run_folder(tmp_path / "run"):
        with opened(tmp_path / "run"), pytest.raises(RunInUseError):
            opened(tmp_path / "run").__enter__()
        with pytest.raises(RunInUseError):
            opened(tmp_path / "run").__enter__()
    with opened(tmp_path / "run"):
        pass


def test_the_loser_of_a_race_knows_within_a_second(tmp_path: Path) -> None:
    with opened(tmp_path):
        began = time.monotonic()
        with pytest.raises(RunInUseError):
            opened(tmp_path).__enter__()
        assert time.monotonic() - began < 1


def test_links_are_not_followed(tmp_path: Path) -> None:
    victim, run = tmp_path / "victim", tmp_path / "run"
    victim.write_text("precious")
    run.mkdir()
    (run / ".lock").symlink_to(victim)
    with pytest.raises(DiskError, match=r"cannot write .*\.lock: it is a link"):
        opened(run).__enter__()
    (run / ".lock").unlink()
    for name in (".holder", "manifest.json.tmp", "checkpoint.safetensors.tmp"):
        (run / name).symlink_to(victim)
    (run / "manifest.json.tmp").unlink()
    (run / "checkpoint.safetensors.tmp").unlink()
    with opened(run) as folder:
        (run / "metrics.csv").symlink_to(victim)
        with pytest.raises(DiskError, match=r"metrics\.csv: it is a link"):
            folder.append_metrics({"step": 1})
    assert victim.read_text() == "precious"


def test_what_killed_writings_left_is_removed(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    (tmp_path / "students" / "90M").mkdir(parents=True)
    name = f".model.safetensors.{'0f' * 8}.tmp"
    for folder in (tmp_path, tmp_path / "students" / "90M"):
        (folder / name).write_bytes(b"half")
    with RunFolder.open(tmp_path / "distill", kind="distill", configuration={}, facts={}):
        (tmp_path / "distill" / name).write_bytes(b"of a run that goes on")
        with opened(tmp_path):
            assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.tmp")] == [f"distill/{name}"]


def test_files_of_a_complete_run_are_told_when_they_change(tmp_path: Path) -> None:
    lines: list[str] = []
    assert not is_finished(tmp_path)
    with opened(tmp_path) as run:
        assert not run.is_finished(lines.append)
        for name in ("a", "b"):
            (tmp_path / name).write_text(name)
        run.finish({}, run.hashes([tmp_path / "a", tmp_path / "b"]))
        assert run.is_finished(lines.append)
        assert is_finished(tmp_path)
        (tmp_path / "a").write_text("c")
        (tmp_path / "b").unlink()
        assert not run.is_finished(lines.append)
    assert not is_finished(tmp_path)
    assert lines == [
        f"{tmp_path}: this search is complete already",
        f"warning: {tmp_path}: a is damaged and 1 more; made again from the last checkpoint",
    ]


def test_names_that_are_no_utf_8_can_be_written_down(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(tmp_path, data="folder:/images/\udcff"):
            pass
    assert read_manifest(tmp_path).configuration["data"] == "folder:/images/?"
