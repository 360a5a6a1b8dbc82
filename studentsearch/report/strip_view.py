"""Strips as text: bars of what is kept, in figures and in colour, 80 columns or more."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from studentsearch.records.shares import drop_ratio
from studentsearch.report.strip import LayerRow, Strip, SumRow, explanation
from studentsearch.report.triangle import ramp_style
from studentsearch.report.words import count_words

_KEPT, _DROPPED, _CUT = "█", "·", "…"
_ASCII_KEPT, _ASCII_DROPPED, _ASCII_CUT = "#", ".", ".."
_INDENT, _SUM = "  ", "+ "
_LABEL_MOST, _BAR_LEAST, _BAR_MOST = 24, 4, 20
_MACS, _AFTER = 6, 7  # "442.4M" and "removed"


def bar_cells(kept: int, before: int, width: int) -> int:
    """How many cells of a bar are filled; all of them for exactly everything, none for exactly nothing.

    Args:
        kept: What is left.
        before: What there was.
        width: Cells of the whole bar, at least 2.

    Returns:
        0 to `width`.
    """
    if kept >= before or kept <= 0:
        return width if kept >= before else 0
    return min(max(round(width * kept / before), 1), width - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Widths of the columns in cells, and the glyphs."""

    label: int
    figure: int
    bar: int
    width: int
    is_ascii: bool

    def label_words(self, label: str, indent: str) -> str:
        """A label in its column; of a long one the end, which tells layers apart."""
        cut = _ASCII_CUT if self.is_ascii else _CUT
        room = self.label - len(indent)
        if len(label) > room:
            label = cut + label[len(label) - room + len(cut) :]
        return f"{indent}{label:<{room}}"

    def share(self, kept: int, before: int) -> Text:
        """Figures and bar of what is kept."""
        filled = bar_cells(kept, before, self.bar)
        glyphs = (_ASCII_KEPT, _ASCII_DROPPED) if self.is_ascii else (_KEPT, _DROPPED)
        style = ramp_style(drop_ratio(kept, before))
        text = Text(f" {f'{kept}/{before}':>{self.figure}} ")
        return text.append(glyphs[0] * filled + glyphs[1] * (self.bar - filled), style)

    @property
    def share_width(self) -> int:
        """Cells that `share` takes."""
        return self.figure + self.bar + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StripsView:
    """Strips one below the other, with common columns; reads without colour too."""

    strips: tuple[Strip, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.strips:
            return
        layout = _layout(self.strips, options)
        for line in explanation(self.strips):
            yield Text(line, style="dim")
        yield Text()
        yield _line(_header(layout))
        for strip in self.strips:
            if strip.title:
                yield Text(strip.title, style="bold", overflow="fold")
            for row in strip.rows:
                yield from map(_line, _row_lines(row, layout, _INDENT if strip.title else ""))


def _layout(strips: tuple[Strip, ...], options: ConsoleOptions) -> _Layout:
    rows = [(row, _INDENT if strip.title else "") for strip in strips for row in strip.rows]
    label = max(len(indent + _row_label(row)) for row, indent in rows)
    figure = max(len(f"{before}/{before}") for row, _ in rows for before in _totals(row))
    label = min(label, _LABEL_MOST)
    bar = (options.max_width - label - 2 * (figure + 2) - _MACS - _AFTER - 3) // 2
    bar = min(max(bar, _BAR_LEAST), _BAR_MOST)
    return _Layout(label=label, figure=figure, bar=bar, width=options.max_width, is_ascii=options.ascii_only)


def _row_label(row: LayerRow | SumRow) -> str:
    return row.label if isinstance(row, LayerRow) else _SUM + row.label


def _totals(row: LayerRow | SumRow) -> tuple[int, ...]:
    return (row.facts.inputs, row.facts.outputs) if isinstance(row, LayerRow) else (row.facts.channels,)


def _header(layout: _Layout) -> Text:
    shares = "".join(f" {words:<{layout.share_width - 1}}" for words in ("inputs kept", "filters kept"))
    return Text(f"{'layer':<{layout.label}}{shares} {'MACs':>{_MACS}}  {'after':>{_AFTER}}", style="dim")


def _row_lines(row: LayerRow | SumRow, layout: _Layout, indent: str) -> Iterator[Text]:
    line = Text(layout.label_words(_row_label(row), indent))
    if isinstance(row, LayerRow):
        yield _layer_line(line, row, layout)
        return
    line.append_text(layout.share(row.facts.kept, row.facts.channels)).append(" ")
    used = line.cell_len
    first, *others = textwrap.wrap(row.words, max(layout.width - used, 1))
    yield line.append(first)
    yield from (Text(" " * used + other) for other in others)


def _layer_line(line: Text, row: LayerRow, layout: _Layout) -> Text:
    facts = row.facts
    line.append_text(layout.share(facts.num_kept_inputs, facts.inputs))
    if facts.is_depthwise:
        line.append(f"{' depthwise':<{layout.share_width}}")
    else:
        line.append_text(layout.share(facts.num_kept_outputs, facts.outputs))
    after = "removed" if facts.is_removed else count_words(facts.macs_after)
    return line.append(f" {count_words(facts.macs_before):>{_MACS}}  {after:>{_AFTER}}")


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "crop"
    text.rstrip()
    return text
