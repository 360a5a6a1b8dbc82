import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import made_runs
import pandas as pd
import pytest
from made_student import write_config
from rich.console import Console

from studentsearch.errors import InputFileError
from studentsearch.records.blocks import BlockShare
from studentsearch.records.shares import BranchShare, ReaderShare, SourceShare, SumShare
from studentsearch.records.student import read_student_config
from studentsearch.report import report_json, write_csv, write_html
from studentsearch.report.strip import LayerRow, Strip, stage_strips
from studentsearch.report.strip_view import StripsView, bar_cells
from studentsearch.report.tables import blocks_table, lost_layers
from studentsearch.report.triangle import dense_triangles


def strips_of(folder: Path, net: str) -> tuple[Strip, ...]:
    made_runs.write_cut(folder / net, net)
    return stage_strips(read_student_config(folder / net).blocks)


def drawn(strips: tuple[Strip, ...], *, width: int = 80, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    Console(file=file, width=width, color_system=None).print(StripsView(strips=strips))
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def reader(path: str, *sources: str) -> ReaderShare:
    return ReaderShare(
        path=path,
        inputs=4,
        kept_inputs=(0, 1, 2, 3),
        outputs=4,
        kept_outputs=(0, 1, 2, 3),
        macs_before=1,
        macs_after=1,
        sources=tuple(SourceShare(path=source, channels=1, kept=1) for source in sources),
    )


def test_a_stage_has_a_strip_and_lone_neighbours_share_one(tmp_path: Path) -> None:
    assert [strip.title for strip in strips_of(tmp_path, "resnet")] == ["", "layer1", "layer2", "layer3", ""]
    (lone, titled) = strips_of(tmp_path, "vgg")
    assert (len(lone.rows), titled.title) == (8, "")
    assert [row.label for row in titled.rows] == ["classifier.0", "classifier.3", "classifier.6"]


def test_rows_follow_the_forward_pass(tmp_path: Path) -> None:
    rows = strips_of(tmp_path, "resnet")[1].rows
    assert [row.label for row in rows[:4]] == ["0.conv1", "0.conv2", "add_100", "1.conv1"]
    assert [row.words for row in rows if not isinstance(row, LayerRow)] == [
        "conv1 + 0.conv2",
        "add_100 + 1.conv2",
        "add_101, without 2.conv2",
    ]


def test_a_label_is_never_a_number_alone(tmp_path: Path) -> None:
    strips = strips_of(tmp_path, "mobilenet")
    assert [strip.title for strip in strips] == ["", "features.1", "features.2", "features.3", ""]
    assert [row.label for row in strips[1].rows] == ["conv.0.0", "conv.1.0", "conv.2"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("net", ["resnet", "resnet110", "mobilenet", "vgg"])
def test_every_row_fits_and_says_its_figures(tmp_path: Path, net: str, width: int, encoding: str) -> None:
    strips = strips_of(tmp_path, net)
    lines = drawn(strips, width=width, encoding=encoding)
    assert max(map(len, lines)) <= width
    rows = [row for strip in strips for row in strip.rows]
    layers = [row.facts for row in rows if isinstance(row, LayerRow)]
    bars = [line for line in lines if re.search(r"\d+/\d+ [█·#.]", line)]
    assert len(bars) == len(rows)
    for facts, line in zip(layers, [line for line in bars if " + " not in line and "+ add" not in line], strict=True):
        assert f" {facts.num_kept_inputs}/{facts.inputs} " in line
        assert line.endswith("removed") == facts.is_removed
        assert ("depthwise" in line) == facts.is_depthwise


def test_a_stage_of_36_layers_has_a_row_for_each(tmp_path: Path) -> None:
    lines = drawn(strips_of(tmp_path, "resnet110"))
    assert sum(".conv" in line and " + " not in line and "without" not in line for line in lines) == 3 * 36
    assert sum("without" in line for line in lines) == 3 * 6


def test_long_paths_keep_their_ends_and_long_sums_wrap() -> None:
    paths = [f"stages.0.fused_bottleneck_sequence.{place}.depthwise_separable" for place in range(2)]
    layers = tuple(reader(f"{path}.{'a' * 20}.conv", "x") for path in paths)
    branches = tuple(BranchShare(path=f"{path}.{'b' * 30}", is_removed=False) for path in paths)
    added = SumShare(name="add", after=layers[1].path, channels=4, kept=4, branches=branches)
    strips = stage_strips([BlockShare(name="stages", readers=layers, sums=(added,))])
    lines = drawn(strips)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  …") and "aaaa.conv" in line for line in lines)
    joined = "".join(line.strip() for line in lines)
    assert all(f"{place}.depthwise_separable" in joined for place in range(2))
    assert any(line.startswith("  ..") for line in drawn(strips, encoding="ascii"))


def test_bars_are_full_and_empty_for_exactly_all_and_nothing() -> None:
    assert [bar_cells(kept, 1000, 10) for kept in (0, 1, 500, 999, 1000)] == [0, 1, 5, 9, 10]
    assert bar_cells(0, 0, 10) == 10


def test_colour_follows_the_share_and_no_color_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strips = strips_of(tmp_path, "resnet")
    texts = []
    for no_color in (False, True):
        monkeypatch.setenv("NO_COLOR", "1" if no_color else "")
        file = io.StringIO()
        Console(file=file, width=80, force_terminal=True, color_system="truecolor").print(StripsView(strips=strips))
        texts.append(file.getvalue())
    assert "\x1b[38;2;64;144;208m██" in texts[0]
    assert "\x1b[38;2;214;69;56m··" in texts[0]
    assert "38;2" not in texts[1]


def test_lost_layers_are_named(tmp_path: Path) -> None:
    made_runs.write_cut(tmp_path / "net", "resnet")
    removed, kept = lost_layers(read_student_config(tmp_path / "net"))
    assert removed.startswith("Removed (6): layer1.2.conv1, layer1.2.conv2, layer2.2.conv1")
    assert kept == "Kept at one channel (3): layer1.1.conv2, layer2.1.conv2, layer3.1.conv2"
    made_runs.write_cut(tmp_path / "whole", "vgg")
    (one,) = lost_layers(read_student_config(tmp_path / "whole"))
    assert one == "Kept at one channel (1): features.0"


def test_block_table_without_connections_counts_layers_and_filters(tmp_path: Path) -> None:
    made_runs.write_cut(tmp_path / "net", "mobilenet")
    table = blocks_table(read_student_config(tmp_path / "net"))
    assert table.header[3:5] == ("layers", "filters")
    assert table.rows[1][:5] == ("1", "58/112", "48.2%", "3", "65/112")


def test_concatenations_that_nothing_grows_by_are_no_dense_block() -> None:
    fire = BlockShare(
        name="fire3",
        readers=(
            reader("fire3.squeeze", "fire2.left", "fire2.right"),
            reader("fire3.left", "fire3.squeeze"),
            reader("fire3.right", "fire3.squeeze"),
        ),
    )
    assert dense_triangles([fire]) == ()
    assert [strip.title for strip in stage_strips([fire])] == ["fire3"]


def test_connections_that_come_and_go_are_no_dense_block() -> None:
    shuffled = BlockShare(
        name="stage2",
        readers=(reader("0.conv", "a", "b"), reader("1.conv", "b", "0.conv"), reader("2.conv", "a", "b", "0.conv")),
    )
    assert dense_triangles([shuffled]) == ()
    assert len(stage_strips([shuffled])[0].rows) == 3


def test_dense_network_has_triangles_and_no_strip(tmp_path: Path) -> None:
    made_runs.write_student(tmp_path / "student")
    blocks = read_student_config(tmp_path / "student").blocks
    assert len(dense_triangles(blocks)) == 2
    assert stage_strips(blocks) == ()


def test_json_and_tables_hold_the_same_facts(tmp_path: Path) -> None:
    made_runs.write_cut(tmp_path / "net", "resnet")
    value = json.loads(json.dumps(report_json(tmp_path / "net")))
    assert value["at_one_channel"] == ["layer1.1.conv2", "layer2.1.conv2", "layer3.1.conv2"]
    block = value["blocks"][1]
    assert block["sums"][2]["branches"] == [
        {"path": "add_101", "is_removed": False},
        {"path": "layer1.2.conv2", "is_removed": True},
    ]
    write_csv(tmp_path / "net")
    sums, layers = (pd.read_csv(tmp_path / "net" / "report" / f"{name}.csv") for name in ("sums", "readers"))
    assert sums["is_removed"].tolist() == [False] * 5 + [True] + [False] * 5 + [True] + [False] * 5 + [True]
    assert layers["path"][layers["state"] == "removed"].tolist() == value["removed"]
    assert block["layers"][0]["kept_inputs"] == layers["kept_inputs"][1]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_page_shows_the_strips(tmp_path: Path) -> None:
    made_runs.write_cut(tmp_path / "net", "resnet")
    write_html(tmp_path / "net", tmp_path / "page.html")
    page = Page()
    page.feed((tmp_path / "page.html").read_text())
    # 20 layers with two bars and 9 sums with one, each bar on its ground
    assert page.tags.count("rect") == 2 * (2 * 20 + 9)
    assert {"layer2", "add_101, without 2.conv2", "layer1.2.conv1: inputs kept 0/16"} <= set(page.words)
    assert any(words.startswith("Removed (6): ") for words in page.words)


def test_damaged_sum_is_named(tmp_path: Path) -> None:
    made_runs.write_cut(tmp_path / "net", "resnet")
    content = (tmp_path / "net" / "config.json").read_bytes()
    write_config(tmp_path / "net", content.replace(b'"is_removed":true', b'"is_removed":1', 1))
    with pytest.raises(InputFileError, match=r"Expected `bool`, got `int` - at `.*sums.*branches.*is_removed"):
        read_student_config(tmp_path / "net")


def test_a_layer_that_keeps_more_than_it_had_is_refused(tmp_path: Path) -> None:
    made_runs.write_cut(tmp_path / "net", "resnet")
    content = (tmp_path / "net" / "config.json").read_bytes()
    write_config(tmp_path / "net", content.replace(b'"inputs":16', b'"inputs":4', 1))
    with pytest.raises(InputFileError, match=r"'layer1\.0\.conv1' keeps more channels than it had; copy the folder"):
        read_student_config(tmp_path / "net")
