import os
from pathlib import Path

import pytest
from run_folders import State, opened, silent

from studentsearch.errors import DiskError, InputFileError
from studentsearch.runs.metrics import MetricsFile, read_course


def rows(run: MetricsFile, first: int, last: int) -> None:
    for step in range(first, last + 1):
        run.append({"step": step, "loss": 0.1 * step, "accuracy": None if step % 2 else 0.5})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


@pytest.mark.parametrize("rest", ["", "5,0.", "5,0.5,\n", "\0\0", "step,loss\n"])
def test_rows_after_a_mark_go(file: Path, rest: str) -> None:
    metrics = MetricsFile(file)
    rows(metrics, 1, 3)
    mark = metrics.mark()
    rows(metrics, 4, 4)
    whole = file.read_text()
    assert whole.splitlines() == ["step,loss,accuracy", "1,0.1,", "2,0.2,0.5", "3,0.30000000000000004,", "4,0.4,0.5"]
    with file.open("a") as damaged:
        damaged.write(rest)
    continued = MetricsFile(file)
    continued.go_back(mark)
    continued.append({"step": 4, "accuracy": 0.5, "loss": 0.4})
    assert file.read_text() == whole
    assert continued.mark() == metrics.mark()


@pytest.mark.parametrize("left", ["", "st", "step,loss,accuracy\n", "step,loss,accuracy\n1,0.1,\n2,"])
def test_without_a_checkpoint_all_rows_go(file: Path, left: str) -> None:
    file.write_text(left)
    metrics = MetricsFile(file)
    metrics.go_back(None)
    rows(metrics, 1, 1)
    assert file.read_text() == "step,loss,accuracy\n1,0.1,\n"


def test_a_run_that_begins_again_holds_each_step_once(tmp_path: Path) -> None:
    for _ in range(2):  # the first time it is killed before its first checkpoint
        with opened(tmp_path) as run:
            assert run.load_checkpoint(State, silent) is None
            run.append_metrics({"step": 1, "loss": 2.0})
    assert (tmp_path / "metrics.csv").read_text() == "step,loss\n1,2.0\n"


@pytest.mark.parametrize("change", [lambda text: text.replace("0.2", "0.3"), lambda text: text[:20], lambda _: ""])
def test_rows_before_the_mark_must_be_what_they_were(file: Path, change) -> None:
    metrics = MetricsFile(file)
    rows(metrics, 1, 3)
    mark = metrics.mark()
    file.write_text(change(file.read_text()))
    with pytest.raises(InputFileError, match=r"was changed.*put the file back from a copy, or run .* another --out"):
        MetricsFile(file).go_back(mark)
    file.unlink()
    with pytest.raises(InputFileError, match=r"cannot read .*put the file back"):
        MetricsFile(file).go_back(mark)


def test_columns_are_those_of_the_first_row(file: Path) -> None:
    metrics = MetricsFile(file)
    metrics.append({"step": 1, "loss": 2.0})
    with pytest.raises(ValueError, match="has columns"):
        metrics.append({"step": 2, "kl": 2.0})
    metrics.go_back(None)
    assert file.read_text() == ""


def test_links_and_pipes_are_refused(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(DiskError, match=r"cannot write .*metrics\.csv"):
        MetricsFile(file).append({"step": 1})
    with pytest.raises(InputFileError, match="not a regular file"):
        read_course(file, sha256=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss\n1\n", "no column 'step'"),
        ("step,loss\n1,x\n", "words in column 'loss'"),
        ("step,loss\n1,1_0\n", "words in column 'loss'"),
        ("step,loss\n1,0.5\n1,0.5\n", "step '1' in row 3 after step 1"),
        ("step,loss\n1.5,0.5\n", "step '1.5' in row 2"),
        (f"step,loss\n{'9' * 20},0.5\n", "step '999.* in row 2"),
        ("step,loss\n1,0.5,2\n", "3 cells in row 2 and 2 columns"),
        ("step,step\n1,2\n", "two columns of one name"),
        ('step,loss\n1,"0.5\n', "cannot be read"),
    ],
)
def test_a_course_that_is_no_table_of_numbers_is_named(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(InputFileError, match=f"{message}.*put the file back from a copy"):
        read_course(file, sha256=None)


def test_a_course_that_changed_after_its_run_ended_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.append_metrics({"step": 1, "loss": 2.5})
        run.finish({}, {})
        sha256 = run.manifest.files["metrics.csv"]
    file = tmp_path / "metrics.csv"
    assert read_course(file, sha256=sha256) == "step,loss\n1,2.5\n"
    file.write_text("step,loss\n1,2.6\n")
    with pytest.raises(InputFileError, match="was changed after the run ended"):
        read_course(file, sha256=sha256)


@pytest.mark.parametrize("after_step", [0, 2])
def test_rewound_rows_stay_on_the_disk_until_another_is_written(file: Path, after_step: int) -> None:
    metrics = MetricsFile(file)
    rows(metrics, 1, 4)
    before, whole = metrics.mark(), file.read_text()
    metrics.rewind(after_step=after_step)
    assert file.read_text() == whole
    MetricsFile(file).go_back(before)  # a kill at this moment: the checkpoint from before is still good
    rewound = metrics.mark()
    rows(metrics, after_step + 1, after_step + 1)
    assert len(file.read_text().splitlines()) == after_step + 2
    MetricsFile(file).go_back(rewound)
    assert len(file.read_text().splitlines()) == (after_step + 1 if after_step else 0)


def test_a_file_that_changed_meanwhile_is_not_rewound(file: Path) -> None:
    metrics = MetricsFile(file)
    rows(metrics, 1, 3)
    file.write_text(file.read_text().replace("0.2", "0.3"))
    with pytest.raises(InputFileError, match="was changed while the run went on"):
        metrics.rewind(after_step=1)
