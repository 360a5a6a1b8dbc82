"""Which connections of a dense block were dropped, as one lower triangle (Gu and Tresp 2020, figure 8)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.text import Text

from studentsearch.records.blocks import BlockShare
from studentsearch.records.shares import ReaderShare

GLYPHS = "█▓▒░·"
ASCII_GLYPHS = "#%+-."
MEANINGS = ("none dropped", "under 1/3", "under 2/3", "over 2/3", "all")
EXAMPLES = (0.0, 0.2, 0.5, 0.8, 1.0)
EXPLANATION = "row: a layer, by depth; column: a feature map it read, the block's input first"
LABEL_WIDTH = 3
GAP = 3
_KEPT, _DROPPED = (64, 144, 208), (214, 69, 56)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriangleRow:
    """One reading layer.

    Attributes:
        label: At most two characters.
        path: Its module path.
        drop_ratios: One a column, 0 to 1; None where it never read that source.
    """

    label: str
    path: str
    drop_ratios: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Triangle:
    """The connections of one dense block.

    Attributes:
        title: Names of the blocks whose readers it shows.
        sources: Module paths of the columns, in order.
        rows: Reading layers, in order.
    """

    title: str
    sources: tuple[str, ...]
    rows: tuple[TriangleRow, ...]


def dense_triangles(blocks: Sequence[BlockShare]) -> tuple[Triangle, ...]:
    """One triangle a dense block; a layer of another block that reads all of it is its last row.

    Args:
        blocks: In the order of the forward pass.

    Returns:
        Triangles of the blocks in which every reader reads all that the one before it does, and the last one more.
    """
    return tuple(_triangle(group) for group in dense_groups(blocks))


def dense_groups(blocks: Sequence[BlockShare]) -> tuple[tuple[BlockShare, ...], ...]:
    """The dense blocks, each with the blocks after it that read the same feature maps.

    Args:
        blocks: In the order of the forward pass.

    Returns:
        Groups of blocks; those that are in none have no dense connections.
    """
    groups: list[list[BlockShare]] = []
    for block in blocks:
        readers = block.connection_readers
        if not readers:
            continue
        if groups and _first_source(groups[-1][0]) == _first_source(block):
            groups[-1].append(block)
        else:
            groups.append([block])
    return tuple(tuple(group) for group in groups if _is_dense(group))


def _is_dense(group: Sequence[BlockShare]) -> bool:
    reads = [{source.path for source in reader.sources} for block in group for reader in block.connection_readers]
    return reads[0] < reads[-1] and all(before <= after for before, after in pairwise(reads))


def _first_source(block: BlockShare) -> str:
    return block.connection_readers[0].sources[0].path


def _triangle(group: Sequence[BlockShare]) -> Triangle:
    labelled: list[TriangleRow] = []
    readers = [reader for block in group for reader in block.connection_readers]
    sources = tuple(dict.fromkeys(source.path for reader in readers for source in reader.sources))
    for position, block in enumerate(group):
        for number, reader in enumerate(block.connection_readers, start=1):
            label = str(number)[-2:] if position == 0 else block.name[:2]
            labelled.append(TriangleRow(label=label, path=reader.path, drop_ratios=_ratios(reader, sources)))
    return Triangle(title=" + ".join(block.name for block in group), sources=sources, rows=tuple(labelled))


def _ratios(reader: ReaderShare, sources: tuple[str, ...]) -> tuple[float | None, ...]:
    ratios = {source.path: source.drop_ratio for source in reader.sources}
    return tuple(ratios.get(source) for source in sources)


def level(ratio: float) -> int:
    """Which of the five glyphs shows a drop ratio; the first and the last are for exactly none and exactly all.

    Args:
        ratio: 0 to 1.

    Returns:
        0 to 4.
    """
    if ratio <= 0:
        return 0
    if ratio >= 1:
        return 4
    return 1 + int(ratio * 3)


def ramp_colour(ratio: float) -> tuple[int, ...]:
    """The colour of a drop ratio: from blue, kept, over grey to red, dropped.

    Args:
        ratio: 0 to 1.

    Returns:
        Red, green, blue, 0 to 255.
    """
    return tuple(round(kept + ratio * (dropped - kept)) for kept, dropped in zip(_KEPT, _DROPPED, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrianglesView:
    """Triangles as text, as many beside one another as fit; reads without colour too."""

    triangles: tuple[Triangle, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.triangles:
            return
        glyphs = ASCII_GLYPHS if options.ascii_only else GLYPHS
        yield _legend(glyphs)
        yield Text(EXPLANATION, style="dim")
        widest = max(len(triangle.sources) for triangle in self.triangles)
        cell = 2 if LABEL_WIDTH + 2 * widest <= options.max_width else 1
        drawings = [list(_lines(triangle, glyphs, cell)) for triangle in self.triangles]
        for shelf in _shelves(drawings, options.max_width):
            yield Text()
            for number in range(max(len(drawing) for drawing in shelf)):
                yield _joined([drawing[number] if number < len(drawing) else Text() for drawing in shelf], shelf)


def _legend(glyphs: str) -> Text:
    legend = Text("dropped:", style="bold")
    for glyph, meaning, ratio in zip(glyphs, MEANINGS, EXAMPLES, strict=True):
        legend.append("  ").append(glyph * 2, ramp_style(ratio)).append(f" {meaning}", "not bold")
    return legend


def ramp_style(ratio: float) -> Style:
    """The colour of a drop ratio as a style of text.

    Args:
        ratio: 0 to 1.

    Returns:
        Not bold.
    """
    red, green, blue = ramp_colour(ratio)
    return Style(color=Color.from_rgb(red, green, blue), bold=False)


def _lines(triangle: Triangle, glyphs: str, cell: int) -> Iterator[Text]:
    yield Text(triangle.title, style="bold")
    for row in triangle.rows:
        line = Text(f"{row.label:>{LABEL_WIDTH - 1}} ")
        for ratio in row.drop_ratios:
            if ratio is None:
                line.append(" " * cell)
            else:
                line.append(glyphs[level(ratio)] * cell, ramp_style(ratio))
        line.rstrip()
        yield line


def _shelves(drawings: list[list[Text]], max_width: int) -> list[list[list[Text]]]:
    shelves: list[list[list[Text]]] = []
    used = 0
    for drawing in drawings:
        width = _width(drawing)
        if shelves and used + GAP + width <= max_width:
            shelves[-1].append(drawing)
            used += GAP + width
        else:
            shelves.append([drawing])
            used = width
    return shelves


def _width(drawing: list[Text]) -> int:
    return max(line.cell_len for line in drawing)


def _joined(lines: list[Text], shelf: list[list[Text]]) -> Text:
    joined = Text(no_wrap=True, overflow="crop")
    for line, drawing in zip(lines, shelf, strict=True):
        joined.append_text(line)
        joined.append(" " * (_width(drawing) - line.cell_len + GAP))
    joined.rstrip()
    return joined
