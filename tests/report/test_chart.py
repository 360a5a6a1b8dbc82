import io
import math

from rich.console import Console

from studentsearch.report.chart import Chart, bars, resampled


def test_more_values_than_columns_are_averaged() -> None:
    assert resampled([1, 3, 5, 7], 2) == [2, 6]
    assert math.isclose(sum(resampled(list(range(100)), 10)) * 10, sum(range(100)))


def test_fewer_values_than_columns_are_repeated() -> None:
    assert resampled([1, 2], 4) == [1, 1, 2, 2]


def test_bars_fill_from_the_bottom() -> None:
    assert bars([0, 1], height=2, bottom=0, top=1) == [" █", "▁█"]
    assert bars([5, 5], height=2, bottom=5, top=5) == ["  ", "▁▁"]


def test_chart_leaves_out_what_is_not_finite() -> None:
    file = io.StringIO()
    chart = Chart(title="loss", values=(1.0, math.nan, 3.0), top="3", bottom="1", height=2)
    Console(file=file, width=19, color_system=None).print(chart)
    assert file.getvalue().splitlines() == ["loss", "        3      ████", "        1  ▁▁▁▁████"]
