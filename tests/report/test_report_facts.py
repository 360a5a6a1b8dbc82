from pathlib import Path

import made_runs
import pandas as pd
import pytest

from studentsearch.records.blocks import BlockShare
from studentsearch.records.metrics import SearchRow, cells, columns
from studentsearch.records.shares import ReaderShare, SourceShare, drop_ratio
from studentsearch.records.student import read_student_config
from studentsearch.report.frames import blocks_frame, write_csv
from studentsearch.report.run_facts import read_course_rows
from studentsearch.report.triangle import dense_triangles, level
from studentsearch.report.words import fact_words, percent_words, value_words
from studentsearch.runs.manifest import Manifest


def reader(path: str, *sources: tuple[str, int, int]) -> ReaderShare:
    return ReaderShare(
        path=path,
        inputs=sum(source[1] for source in sources),
        kept_inputs=tuple(range(sum(source[2] for source in sources))),
        outputs=4,
        kept_outputs=tuple(range(4)),
        macs_before=10,
        macs_after=5,
        sources=tuple(SourceShare(path=name, channels=before, kept=kept) for name, before, kept in sources),
    )


RUNNING = Manifest(kind="search", status="running", configuration={}, facts={}, results={})


def search_row(step: int, *, kl: float) -> SearchRow:
    return SearchRow(
        step=step,
        loss=kl,
        kl=kl,
        macs=90,
        target_macs=91,
        penalty=0.001,
        open_share=0.9,
        gate_mean=0.8,
        rate=0.1,
        images_per_second=40.0,
        seconds=1.0,
    )


BLOCK = BlockShare(
    name="block",
    readers=(
        reader("layer1.conv1", ("stem", 8, 8)),
        reader("layer1.conv2", ("layer1.conv1", 10, 5)),
        reader("layer2.conv1", ("stem", 8, 2), ("layer1.conv2", 4, 0)),
    ),
)


def test_connections_and_channels_are_apart() -> None:
    assert [entry.path for entry in BLOCK.connection_readers] == ["layer1.conv1", "layer2.conv1"]
    assert BLOCK.connections_drop_ratio == pytest.approx(1 - 10 / 20)
    assert BLOCK.channels_drop_ratio == pytest.approx(0.5)
    assert (BLOCK.inputs, BLOCK.num_kept_inputs) == (30, 15)
    assert (BLOCK.macs_before, BLOCK.macs_after) == (30, 15)


def test_chain_has_no_connections() -> None:
    chain = BlockShare(name="chain", readers=(reader("a", ("x", 3, 3)), reader("b", ("a", 4, 1))))
    assert chain.connections_drop_ratio is None
    assert dense_triangles([chain]) == ()


def test_triangle_holds_every_connection() -> None:
    end = BlockShare(
        name="classifier", readers=(reader("fc", ("stem", 8, 0), ("layer1.conv2", 4, 1), ("layer2", 4, 4)),)
    )
    (triangle,) = dense_triangles([BLOCK, end])
    assert triangle.title == "block + classifier"
    assert triangle.sources == ("stem", "layer1.conv2", "layer2")
    assert [row.label for row in triangle.rows] == ["1", "2", "cl"]
    assert [row.drop_ratios for row in triangle.rows] == [(0.0, None, None), (0.75, 1.0, None), (1.0, 0.75, 0.0)]


def test_first_and_last_glyph_are_exact() -> None:
    assert [level(ratio) for ratio in (0, 1 / 96, 0.5, 0.99, 1)] == [0, 1, 2, 3, 4]


def test_drop_ratio_of_nothing_is_zero() -> None:
    assert drop_ratio(0, 0) == 0
    assert drop_ratio(3, 12) == 0.75


def test_csv_files_hold_every_student(tmp_path: Path) -> None:
    made_runs.write_search(tmp_path / "run")
    files = write_csv(tmp_path / "run")
    assert {file.name for file in files} == {"students.csv", "blocks.csv", "readers.csv", "connections.csv", "sums.csv"}
    blocks = pd.read_csv(tmp_path / "run" / "report" / "blocks.csv")
    assert list(blocks.columns[:2]) == ["student", "block"]
    assert set(blocks["student"]) == {"200M", "150M", "90M"}
    connections = pd.read_csv(tmp_path / "run" / "report" / "connections.csv")
    readers = pd.read_csv(tmp_path / "run" / "report" / "readers.csv")
    assert connections["kept"].sum() == readers["kept_inputs"].sum() == blocks["kept_inputs"].sum()


def test_frame_agrees_with_the_folder(tmp_path: Path) -> None:
    made_runs.write_student(tmp_path / "student", layers=2)
    frame = blocks_frame({"student": read_student_config(tmp_path / "student")})
    assert list(frame["block"]) == ["conv0", "denseblock1", "transition1", "denseblock2", "classifier"]
    assert frame["connections_drop_ratio"].isna().tolist() == [True, False, False, False, False]


def test_course_of_a_run_without_rows_is_empty(tmp_path: Path) -> None:
    assert read_course_rows(tmp_path, RUNNING) == ()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("macs", 151_200_000, "151.2M"),
        ("target_macs", 151_249_999.7, "151.2M"),
        ("open_share", 0.873, "87.3%"),
        ("accuracy_test", 70.25, "70.2%"),
        ("images_per_second", 1234.5, "1,234"),
        ("loss", 0.123456, "0.1235"),
        ("epoch", 3, "3"),
        ("note", "cut", "cut"),
    ],
)
def test_figures_read_as_people_say_them(key: str, value: float | int | str, words: str) -> None:
    assert fact_words(key, value) == words


def test_only_all_reads_as_all() -> None:
    assert [percent_words(share) for share in (None, 0, 0.0004, 0.5, 0.9996, 1)] == [
        "-",
        "0.0%",
        "<0.1%",
        "50.0%",
        ">99.9%",
        "100.0%",
    ]


def test_hashes_are_cut_short() -> None:
    assert value_words({"name": "x", "sha": "0a" * 32, "list": [1, None]}) == "name x, sha 0a0a0a0a0a0a, list 1 -"


def test_a_row_that_a_killed_run_left_half_written_is_not_read(tmp_path: Path) -> None:
    rows = [search_row(1, kl=0.5), search_row(2, kl=0.2)]
    text = "\n".join([",".join(columns(SearchRow)), *(",".join(map(str, cells(row).values())) for row in rows)])
    (tmp_path / "metrics.csv").write_text(text)
    assert read_course_rows(tmp_path, RUNNING) == (rows[0],)
