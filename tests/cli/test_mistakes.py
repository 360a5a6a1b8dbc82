"""Every mistake of a user is one line on stderr with its exit code, and leaves nothing half written."""

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studentsearch.cli.main import main
from studentsearch.models.weights_file import embedded_weights
from studentsearch.runs.folder import RunFolder

TEACHER = ["search", "--teacher", "densenet_digits", "--device", "cpu", "--threads", "1"]

TAUGHT = ["distill", "resnet8", "--teacher", "densenet_digits", "--data", "digits"]


def images(folder: Path, classes: tuple[str, ...] = ("ant", "bee", "cat")) -> Path:
    """A folder of grey 8 x 8 images, two a class."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    for part in ("train", "test"):
        for name in classes:
            (folder / part / name).mkdir(parents=True)
            for number, image in enumerate(pixels):
                Image.fromarray(image).save(folder / part / name / f"{number}.png")
    return folder


def complaint(capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int) -> str:
    """The one line that a mistake gives."""
    assert main(arguments) == exit_code
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("studentsearch: error: ")
    return line


def test_an_unknown_teacher_is_told_the_nearest_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    line = complaint(capsys, ["search", "--teacher", "densnet", "--flops", "50%", "--out", str(out)], 2)
    assert 'unknown model "densnet"; nearest: densenet' in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("2M", "above the teacher's 1.1M; choose less"),
        ("0.01%", "is below .* the least through which the image still reaches the output"),
        ("0.3", 'has no unit; write "30%" or "0.3x"'),
        ("50%,much", 'budget "much" is not an amount'),
    ],
)
def test_a_budget_that_cannot_be(budget: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(complaint(capsys, [*TEACHER, "--flops", budget, "--out", str(out)], 2))
    assert not out.exists()


def empty_class(folder: Path) -> Path:
    images(folder)
    for file in (folder / "train" / "bee").iterdir():
        file.unlink()
    return folder


def broken_image(folder: Path) -> Path:
    (images(folder) / "test" / "cat" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder, "images is not a folder: expected one that holds train/ and test/"),
        (empty_class, "train/bee holds no images"),
        (broken_image, "test/cat/1.png"),
        (images, "densenet_digits"),
    ],
    ids=["missing", "empty class", "broken image", "weights of another class count"],
)
def test_images_that_do_not_fit(make, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder, out = make(tmp_path / "images"), tmp_path / "run"
    weights = ["--weights", str(embedded_weights("densenet_digits"))]
    arguments = [*TEACHER, "--flops", "50%", "--data", f"folder:{folder}", *weights, "--out", str(out)]
    assert words in complaint(capsys, arguments, 5)
    assert not out.exists()


def test_a_damaged_course_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with RunFolder.open(tmp_path, kind="search", configuration={}, facts={}):
        (tmp_path / "metrics.csv").write_text("step,macs\n1,many\n")
    assert "has words in column 'macs'" in complaint(capsys, ["report", str(tmp_path)], 5)
    (tmp_path / "metrics.csv").write_text("macs\n1\n")
    assert "has no column 'step'" in complaint(capsys, ["report", str(tmp_path)], 5)


def test_a_damaged_manifest_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with RunFolder.open(tmp_path, kind="search", configuration={}, facts={}) as run:
        run.finish({"students": [{"label": "90M"}]}, {})
    assert "missing required field `folder`" in complaint(capsys, ["distill", str(tmp_path)], 5)


def test_a_student_of_another_schema_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "config.json").write_text('{"schema": 9}')
    for command in (["report"], ["export", "--to", "pt2"]):
        line = complaint(capsys, [*command, str(tmp_path)], 5)
        assert "schema 9" in line
        assert "expected 3; search or distil again with this version" in line


def test_weights_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"not weights")
    for path in (file, tmp_path / "missing.pt"):
        assert str(path) in complaint(capsys, ["evaluate", "densenet_digits", "--weights", str(path)], 5)


def test_data_that_are_not_there_name_three_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["search", "--flops", "90M", "--data-root", str(tmp_path), "--out", str(tmp_path / "run")]
    line = complaint(capsys, arguments, 5)
    for way in ("cifar10 is not there", "--download", "put torchvision's files at", "folder:PATH"):
        assert way in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_another_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with RunFolder.open(tmp_path, kind="search", configuration={"seed": 7}, facts={}):
        locked = complaint(capsys, [*TEACHER, "--flops", "50%", "--out", str(tmp_path)], 7)
    assert "is in use by process" in locked
    other = complaint(capsys, [*TEACHER, "--flops", "50%", "--out", str(tmp_path)], 7)
    assert "choose another --out" in other
    assert not (tmp_path / "students").exists()


def test_a_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert "is not a run folder" in complaint(capsys, ["distill", str(tmp_path)], 7)
    assert "is no run and no student" in complaint(capsys, ["report", str(tmp_path)], 7)
    assert "not a student folder" in complaint(capsys, ["export", str(tmp_path), "--to", "pt2"], 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search"], "Missing option '--flops'"),
        (["search", "--flop", "50%"], "No such option: --flop"),
        (["serch"], "No such command 'serch'"),
        (["search", "--flops", "50%", "--steps", "0"], "--steps"),
        (["teach", "densenet_digits", "--milestones", "half"], "milestones 'half' are no numbers"),
        (
            ["teach", "densenet_digits", "--epochs", "20", "--milestones", "10,30"],
            "found milestones 10,30 for 20 epochs",
        ),
        (["count", "densenet", "--image-size", "32"], "image size '32' is not understood"),
        ([*TEACHER, "--flops", "50%", "--mean", "0.5"], "found only one of --mean and --std"),
        (
            [*TEACHER, "--flops", "50%", "--mean", "0,0,0", "--std", "1,1,1"],
            "have 1 channels, mean and standard deviation 3",
        ),
        ([*TEACHER, "--flops", "50%", "--weight-rate", "-1"], "--weight-rate"),
        ([*TEACHER, "--flops", "50%", "--weight-rate", "nan"], "--weight-rate"),
        (["distill", "resnet8", "--cross", "0"], "'--cross': Input should be greater than or equal to 1"),
        ([*TAUGHT, "--cross", "3", "--method", "dkd"], "found --cross with --method dkd, which has no such setting"),
        ([*TAUGHT, "--gram-sum"], "found --gram-sum with --method hinton, which has no such setting; it has none"),
        ([*TAUGHT, "--loss-setting", "bet=2", "--method", "dkd"], "found --loss-setting bet with --method dkd"),
        ([*TAUGHT, "--loss-setting", "bet=2", "--method", "dkd"], "which has no such setting; nearest: beta"),
        ([*TAUGHT, "--loss-setting", "beta=many", "--method", "dkd"], "cannot have: Expected `float`, got `str`"),
        ([*TAUGHT, "--loss-setting", "beta=-1", "--method", "dkd"], "cannot have: Expected `float` >= 0.0"),
        ([*TAUGHT, "--loss-setting", "beta=inf", "--method", "dkd"], "setting beta of --method dkd at inf; expected a"),
        ([*TAUGHT, "--loss-setting", "temperature=2", "--method", "dkd"], "an option of its own; use --temperature"),
        ([*TAUGHT, "--loss-setting", "beta", "--method", "dkd"], "found --loss-setting beta; expected NAME=VALUE"),
        (
            [*TAUGHT, "--cross", "2", "--loss-setting", "max_distance=1"],
            "two values of the setting max_distance, 2 and",
        ),
        ([*TAUGHT, "--loss-setting", "reduction=max", "--cross", "2"], "Invalid enum value 'max'"),
        (["distill", "resnet8", "--method", "cros_layer"], 'unknown method "cros_layer"; nearest: cross_layer'),
        (["distill", "resnet8", "--method", "kl", "--lambda", "0.5"], "found --lambda with --method kl"),
        (["distill", "resnet8", "--data", "digits"], "found no teacher for resnet8; give --teacher MODEL"),
        (["distill"], "found no student; give a search run"),
        (["distill", "--preset", "resnet32_9"], 'unknown pair "resnet32_9"; nearest: resnet32_8'),
        (["teach", "resnet8", "--recipe", "crosslayer"], 'unknown recipe "crosslayer"; nearest: cross-layer'),
        (["study", "resnet32_8", "--rows", "P1,P9"], "found row P9; expected some of alone"),
        ([*TAUGHT, "--cross", "1"], "feature points"),
        ([*TAUGHT, "--method", "fsp", "--clip", "printed"], "found --clip printed with --method fsp"),
        ([*TAUGHT, "--cross", "1", "--points", "layr1,layer2"], "layr1"),
        (["distill", ".", "--out", "run", "--temperature", "nan"], "found temperature nan; expected a number above 0"),
        (["teach", "densenet_digits", "--seed", str(2**32)], "--seed"),
        (["teach", "densenet_digits", "--rate", "nan"], "found learning rate nan; expected a number above 0"),
    ],
)
def test_words_that_mean_nothing(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert words in complaint(capsys, arguments, 2)
    assert list(tmp_path.iterdir()) == []


def fail_with(error: Exception):
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_full_disk_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("studentsearch.jobs.count.count", fail_with(OSError(errno.ENOSPC, "No space left", "a/b")))
    line = complaint(capsys, ["count", "densenet"], 6)
    assert line == "studentsearch: error: a/b: No space left; free space or permission there"


def test_our_bug_says_so_and_debug_shows_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("studentsearch.jobs.count.count", fail_with(KeyError("gate")))
    assert main(["count", "densenet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("studentsearch: internal error: KeyError: 'gate'; run again with --debug")
    assert main(["--debug", "count", "densenet"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("studentsearch.jobs.count.count", fail_with(KeyboardInterrupt()))  # type: ignore[arg-type]
    assert main(["count", "densenet"]) == 130
    assert capsys.readouterr().err == "studentsearch: interrupted\n"
