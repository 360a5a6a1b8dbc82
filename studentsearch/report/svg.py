"""Drawings for the page as inline SVG: a course over steps, the triangle of a dense block, the strip of a stage."""

from collections.abc import Iterator, Sequence
from html import escape

from studentsearch.records.shares import drop_ratio
from studentsearch.report.course import Series
from studentsearch.report.strip import LayerRow, Strip, SumRow
from studentsearch.report.triangle import Triangle, TriangleRow, ramp_colour
from studentsearch.report.words import count_words, fact_words, percent_words

CELL = 14
LABEL = 28
WIDTH, HEIGHT, MARGIN = 420, 120, 8
LETTER, BAR, FIGURES = 7, 100, 80


def triangle_svg(triangle: Triangle) -> str:
    """A dense block's triangle; the cell under the pointer says which connection it is.

    Args:
        triangle: The block's connections.

    Returns:
        One HTML figure.
    """
    width, height = LABEL + CELL * len(triangle.sources), CELL * len(triangle.rows)
    cells = "".join(_row_svg(row, triangle.sources, top=CELL * position) for position, row in enumerate(triangle.rows))
    return _figure(triangle.title, f'<svg width="{width}" height="{height}" role="img">{cells}</svg>')


def _row_svg(row: TriangleRow, sources: Sequence[str], *, top: int) -> str:
    label = f'<text x="{LABEL - 6}" y="{top + CELL - 3}" font-size="11" text-anchor="end">{escape(row.label)}</text>'
    return label + "".join(_cells(row, sources, top=top))


def _cells(row: TriangleRow, sources: Sequence[str], *, top: int) -> Iterator[str]:
    for column, (ratio, source) in enumerate(zip(row.drop_ratios, sources, strict=True)):
        if ratio is None:
            continue
        red, green, blue = ramp_colour(ratio)
        hint = escape(f"{row.path} reads {source}: {percent_words(ratio)} dropped")
        yield (
            f'<rect x="{LABEL + CELL * column}" y="{top}" width="{CELL - 1}" height="{CELL - 1}" '
            f'fill="rgb({red},{green},{blue})"><title>{hint}</title></rect>'
        )


def strip_svg(strip: Strip) -> str:
    """A stage's strip: bars of the inputs and filters kept, with figures and multiply-accumulates.

    Args:
        strip: The stage.

    Returns:
        One HTML figure.
    """
    label = LETTER * max(len(row.label) for row in strip.rows) + 3 * MARGIN
    words = LETTER * max(len(_row_words(row)) for row in strip.rows)
    width, height = label + 2 * (BAR + FIGURES) + words, CELL * len(strip.rows)
    rows = "".join(_strip_row(row, left=label, top=CELL * position) for position, row in enumerate(strip.rows))
    drawing = f'<svg width="{width}" height="{height}" role="img">{rows}</svg>'
    return _figure(strip.title, drawing)


def _strip_row(row: LayerRow | SumRow, *, left: int, top: int) -> str:
    if isinstance(row, SumRow):
        sums = row.facts
        bar = _bar_svg(sums.kept, sums.channels, f"{sums.name}: channels kept", left=left, top=top)
        return _text(f"+ {row.label}", 0, top) + bar + _text(row.words, left + BAR + FIGURES, top)
    facts = row.facts
    parts = [_text(row.label, 0, top)]
    parts.append(_bar_svg(facts.num_kept_inputs, facts.inputs, f"{facts.path}: inputs kept", left=left, top=top))
    second, third = left + BAR + FIGURES, left + 2 * (BAR + FIGURES)
    if facts.is_depthwise:
        parts.append(_text("depthwise", second, top))
    else:
        filters = f"{facts.path}: filters kept"
        parts.append(_bar_svg(facts.num_kept_outputs, facts.outputs, filters, left=second, top=top))
    return "".join(parts) + _text(_row_words(row), third, top)


def _row_words(row: LayerRow | SumRow) -> str:
    if isinstance(row, SumRow):
        return row.words
    after = "removed" if row.facts.is_removed else count_words(row.facts.macs_after)
    return f"MACs {count_words(row.facts.macs_before)}, after {after}"


def _bar_svg(kept: int, before: int, words: str, *, left: int, top: int) -> str:
    red, green, blue = ramp_colour(drop_ratio(kept, before))
    hint = f"<title>{escape(words)} {kept}/{before}</title>"
    filled = BAR * kept / before if before else BAR
    vertical = f'y="{top}" height="{CELL - 1}"'
    return (
        f'<rect x="{left}" {vertical} width="{BAR}" fill="#eee">{hint}</rect>'
        f'<rect x="{left}" {vertical} width="{filled:.1f}" fill="rgb({red},{green},{blue})">{hint}</rect>'
    ) + _text(f"{kept}/{before}", left + BAR + 4, top)


def _text(words: str, left: int, top: int) -> str:
    return f'<text x="{left}" y="{top + CELL - 3}" font-size="11">{escape(words)}</text>'


def course_svg(title: str, series: Series) -> str:
    """A metric over steps as one line, with its highest and lowest value.

    Args:
        title: What is drawn.
        series: At least one step, finite values.

    Returns:
        One HTML figure.
    """
    lowest, highest = min(series.values), max(series.values)
    first, last = series.steps[0], series.steps[-1]
    across = (WIDTH - 2 * MARGIN) / max(last - first, 1)
    up = (HEIGHT - 2 * MARGIN) / (highest - lowest) if highest > lowest else 0.0
    drawn = " ".join(
        f"{MARGIN + (step - first) * across:.1f},{HEIGHT - MARGIN - (value - lowest) * up:.1f}"
        for step, value in zip(series.steps, series.values, strict=True)
    )
    line = f'<polyline points="{drawn}" fill="none" stroke="rgb(64,144,208)" stroke-width="1.5"/>'
    caption = f"{title}: {fact_words(series.column, lowest)} to {fact_words(series.column, highest)}"
    return _figure(caption, f'<svg width="{WIDTH}" height="{HEIGHT}" role="img">{line}</svg>')


def _figure(caption: str, drawing: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawing}</figure>"
