"""Runs side by side: what makes a row, what a row gains, what belongs together."""

import json
from pathlib import Path

import made_study
import pytest

from studentsearch.errors import InputFileError, RunFolderError
from studentsearch.report import is_comparison, read_comparison
from studentsearch.report.comparison_facts import Comparison, RunGroup, spread
from studentsearch.report.comparison_runs import find_runs


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    made_study.write_study(folder)
    return folder


def group(comparison: Comparison, what: str, student: str = "resnet8") -> RunGroup:
    (found,) = (one for one in comparison.groups if (one.what, one.task.student) == (what, student))
    return found


def write_pair(root: Path, **more: object) -> None:
    """Two runs of resnet8 by hinton; the second differs by `more`."""
    found = made_study.results("resnet8", 60.0, 60.0)
    plain = made_study.distilling("hinton", "resnet8", ["resnet32"], 0)
    made_study.write_run(root / "a", "distill", plain, found)
    made_study.write_run(root / "b", "distill", plain | more, found)


def test_spread_is_of_a_sample() -> None:
    assert spread([]) is None
    assert spread([None]) is None
    alone = spread([None, 58.0])
    assert alone is not None
    assert (alone.mean, alone.std, alone.num_runs) == (58.0, None, 1)
    three = spread([58.0, 59.0, 61.5])
    assert three is not None
    assert three.mean == pytest.approx(59.5)
    assert three.std == pytest.approx((3.25) ** 0.5)  # (2.25 + 0.25 + 4) / (3 - 1)


def test_a_row_holds_all_seeds(study: Path) -> None:
    comparison = read_comparison([study])
    teach, none = group(comparison, "teach", "resnet32"), group(comparison, "alone")
    assert [run.task.seed for run in teach.runs] == [0, 1, 2]
    assert (none.task.method, none.epochs, none.network.parameters, none.network.macs) == (
        "none",
        200,
        80_916,
        12_501_632,
    )
    assert (none.top1_last.mean, none.top1_last.std, none.top1_last.num_runs) == (59.0, 1.0, 3)
    assert none.top1_best.mean == pytest.approx(59.5)
    assert none.milliseconds_per_image == pytest.approx(0.4117)


def test_gain_is_over_none_of_the_same_student(study: Path) -> None:
    comparison = read_comparison([study])
    gains = {(one.what, one.task.student): one.gain_last for one in comparison.groups}
    assert gains["P1", "resnet8"] == pytest.approx(61.5 - 59)
    assert gains["P1+P2+P3", "resnet8"] == pytest.approx(4.0)
    assert gains["hinton", "resnet8"] == pytest.approx(-0.5)
    assert gains["stages", "resnet8"] == pytest.approx(3.5)
    assert {gains["alone", "resnet8"], gains["kl", "resnet20"], gains["teach", "resnet32"]} == {None}
    assert group(comparison, "P1").gain_best == pytest.approx(2.5)


@pytest.mark.parametrize("more", [{"recipe": {"epochs": 30}}, {"init": "inherit"}, {"student_sha256": "ab"}])
def test_no_gain_over_another_task(tmp_path: Path, more: dict[str, object]) -> None:
    none = made_study.distilling("none", "resnet8", [], 0)
    made_study.write_run(tmp_path / "none", "distill", none | more, made_study.results("resnet8", 58.0, 58.0))
    write_pair(tmp_path / "rows", seed=1)
    (found,) = (one for one in read_comparison([tmp_path]).groups if one.what == "hinton")
    assert found.gain_last is None


def test_stages_follow_one_another_over_all_seeds(study: Path) -> None:
    (_, older, resnet8) = read_comparison([study]).sections
    assert [one.what for one in older] == ["hinton"]
    assert [(one.stage, one.what) for one in resnet8] == [
        (None, "alone"),
        (None, "P1"),
        (None, "hinton"),
        (None, "P1+P2+P3"),
        (1, "kl"),
        (2, "stages"),
    ]
    first, second = resnet8[-2:]
    assert (first.task.student, first.task.teachers) == ("resnet20", ("resnet32",))
    assert (second.task.student, second.task.teachers) == ("resnet8", ("resnet20",))
    assert [run.path.name for run in second.runs] == ["seed-0", "seed-1"]


def test_every_second_stage_keeps_its_own_first(tmp_path: Path) -> None:
    made_study.write_stages(tmp_path / "x")
    made_study.write_stages(tmp_path / "y", recipe=made_study.RECIPE | {"rate": 0.1})
    plain = made_study.distilling("kl", "resnet20", ["resnet32:0"], 0)
    made_study.write_run(tmp_path / "z", "distill", plain, made_study.results("resnet20", 69.0, 69.0))
    groups = read_comparison([tmp_path]).groups
    assert [(one.stage, one.what, len(one.runs)) for one in groups] == [
        (1, "kl, rate 0.01", 2),
        (2, "stages, rate 0.01", 2),
        (1, "kl, rate 0.1", 2),
        (2, "stages, rate 0.1", 2),
        (None, "kl", 1),
    ]


def test_a_first_stage_waits_for_its_second(tmp_path: Path) -> None:
    made_study.write_stages(tmp_path)
    file = tmp_path / "seed-1" / "manifest.json"
    file.write_text(file.read_text().replace('"complete"', '"running"'))
    comparison = read_comparison([tmp_path])
    assert [(one.stage, len(one.runs)) for one in comparison.groups] == [(1, 2), (2, 1)]
    assert [run.task.what for run in comparison.unfinished] == ["stages"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"terms": {"temperature": 2.0, "max_distance": 3, "clipping": "off"}}, ("temperature 4.0", "temperature 2.0")),
        ({"precision": "bf16"}, ("precision float32", "precision bf16")),
        ({"hard_weight": 0.1}, ("hard weight unset", "hard weight 0.1")),
        ({"init": "inherit", "precision": "bf16", "terms": {}}, ("and 3 more", "and 3 more")),
    ],
)
def test_rows_that_would_read_alike_say_what_differs(
    tmp_path: Path, more: dict[str, object], words: tuple[str, str]
) -> None:
    write_pair(tmp_path, **more)
    names = [one.what for one in read_comparison([tmp_path]).groups]
    assert len(names) == 2
    assert all(word in name for word, name in zip(words, names, strict=True))


def test_the_baseline_may_be_normalised_in_another_way(tmp_path: Path) -> None:
    none = made_study.distilling("none", "resnet8", [], 0, data=made_study.DATA | {"mean": [0.4, 0.4, 0.4]})
    made_study.write_run(tmp_path / "none", "distill", none, made_study.results("resnet8", 58.0, 57.0))
    made_study.write_run(
        tmp_path / "kl",
        "distill",
        made_study.distilling("kl", "resnet8", ["resnet32"], 0),
        made_study.results("resnet8", 60.0, 60.0),
    )
    (_, found) = read_comparison([tmp_path]).groups
    assert (found.gain_last, found.gain_best) == (2.0, 3.0)


def test_other_weights_of_a_teacher_make_another_row(tmp_path: Path) -> None:
    write_pair(tmp_path, teachers=[{"name": "resnet32", "sha256": "00" * 32}])
    assert [one.what for one in read_comparison([tmp_path]).groups][1] == "hinton, teachers sha256 000000000000"


def test_older_runs_are_shown(study: Path) -> None:
    older = group(read_comparison([study]), "hinton", "90M")
    assert (older.task.teachers, older.epochs, older.network.macs) == ((), 1.28, 89_405_336)
    assert older.milliseconds_per_image is None


def test_older_teachers_know_no_cost(tmp_path: Path) -> None:
    reached = made_study.reached(12, 58.49)
    made_study.write_run(tmp_path / "a", "teach", {"model": "resnet20"}, {"last": reached, "best": reached})
    (found,) = read_comparison([tmp_path]).groups
    assert (found.network.parameters, found.network.macs, found.milliseconds_per_image) == (None, None, None)


def test_unfinished_runs_say_how_far_they_are(study: Path) -> None:
    first, second = read_comparison([study]).unfinished
    assert (first.task.what, first.task.seed, first.unit, first.done, first.total) == ("P1", 2, "epoch", 12.5, 200)
    assert (second.task.student, second.unit, second.done, second.total) == ("vgg11", "step", 0, 900)


def test_runs_are_found_four_folders_deep_and_once(tmp_path: Path) -> None:
    for folder in ("1/2/3/4", "1/2/3/4/5", "1/run", "1/run/inner", ".hidden"):
        made_study.write_run(tmp_path / folder, "teach", {"model": "resnet8"}, {})
    found = find_runs([tmp_path, tmp_path / "1" / "run"])
    assert [str(run.relative_to(tmp_path)) for run in found] == ["1/2/3/4", "1/run", "1/run/inner"]


def test_one_run_is_no_comparison(tmp_path: Path) -> None:
    made_study.write_run(tmp_path / "run", "distill", {}, {})
    made_study.write_run(tmp_path / "run" / "temporal", "distill", {}, {})
    made_study.write_run(tmp_path / "study", "study", {}, {})
    (tmp_path / "empty").mkdir()
    assert not is_comparison([tmp_path / "run"])
    assert not is_comparison([tmp_path / "study"])
    assert not is_comparison([tmp_path / "empty"])
    assert not is_comparison([tmp_path / "missing"])
    assert is_comparison([tmp_path])
    assert is_comparison([tmp_path / "run", tmp_path / "run"])
    made_study.write_run(tmp_path / "study" / "rows" / "a", "distill", {}, {})
    assert is_comparison([tmp_path / "study"])


def test_what_is_no_comparison_is_named(study: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"found no teach or distill run in .*search nor 4 folders below"):
        read_comparison([study / "search"])
    with pytest.raises(RunFolderError, match=r"found no folder .*missing; expected a run or a folder of runs"):
        read_comparison([study, tmp_path / "missing"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"seed": "0"}, r"b/manifest\.json: configuration: Expected `int`, got `str` - at `\$\.seed`"),
        ({"teachers": "resnet32"}, r"Expected `array`, got `str` - at `\$\.teachers`"),
        ({"teachers": [{"sha256": "0"}]}, r"missing required field `name` - at `\$\.teachers\[0\]`"),
        ({"row": 3}, r"Expected `str \| null`, got `int` - at `\$\.row`"),
        ({"via": True}, r"Expected `str \| null`, got `bool` - at `\$\.via`"),
    ],
)
def test_mistyped_entries_are_named(tmp_path: Path, more: dict[str, object], message: str) -> None:
    write_pair(tmp_path, **more)
    with pytest.raises(InputFileError, match=message):
        read_comparison([tmp_path])


def test_mistyped_results_are_named(tmp_path: Path) -> None:
    write_pair(tmp_path)
    file = tmp_path / "b" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["results"]["milliseconds_per_image"] = "fast"
    file.write_text(json.dumps(manifest))
    with pytest.raises(
        InputFileError, match=r"b/manifest\.json: results: Expected `float \| null`, got `str`.*_per_image"
    ):
        read_comparison([tmp_path])
