"""What a stage without dense connections keeps, as one strip: a row a layer, and a row where branches are added."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from studentsearch.records.blocks import BlockShare
from studentsearch.records.shares import ReaderShare, SumShare
from studentsearch.report.triangle import dense_groups

_LAYERS = "layer: in the order of the forward pass, its input channels and filters kept"
_SUMS = "+ sum: channels kept of a residual stream, branches added and branches removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One layer.

    Attributes:
        label: What its module path does not share with the stage.
        facts: What it keeps.
    """

    label: str
    facts: ReaderShare


@dataclass(frozen=True, slots=True, kw_only=True)
class SumRow:
    """One sum.

    Attributes:
        label: Its name.
        facts: What it keeps.
        words: Which branches it adds, and which were removed.
    """

    label: str
    facts: SumShare
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """The layers and sums of one stage.

    Attributes:
        title: The module path that all labels leave out, may be empty.
        rows: In the order of the forward pass.
    """

    title: str
    rows: tuple[LayerRow | SumRow, ...]


def stage_strips(blocks: Sequence[BlockShare]) -> tuple[Strip, ...]:
    """A strip a stage, and one for neighbours that are layers alone.

    Args:
        blocks: In the order of the forward pass.

    Returns:
        Strips of the blocks without dense connections; beside dense blocks a layer alone, as a stem, has none.
    """
    dense = {block.name for group in dense_groups(blocks) for block in group}
    stages: list[list[BlockShare]] = []
    for block in blocks:
        is_alone = len(block.readers) == 1
        if block.name in dense or (dense and is_alone):
            continue
        if is_alone and stages and len(stages[-1][-1].readers) == 1:
            stages[-1].append(block)
        else:
            stages.append([block])
    return tuple(_strip(stage) for stage in stages)


def explanation(strips: Sequence[Strip]) -> tuple[str, ...]:
    """How to read strips.

    Args:
        strips: All that are shown.

    Returns:
        A line a kind of row, each below 80 characters.
    """
    has_sums = any(isinstance(row, SumRow) for strip in strips for row in strip.rows)
    return (_LAYERS, _SUMS) if has_sums else (_LAYERS,)


def _strip(stage: Sequence[BlockShare]) -> Strip:
    title = "" if len(stage[0].readers) == 1 else _shared_path([reader.path for reader in stage[0].readers])
    return Strip(title=title, rows=tuple(row for block in stage for row in _rows(block, title)))


def _rows(block: BlockShare, title: str) -> Iterator[LayerRow | SumRow]:
    sums: dict[str, list[SumShare]] = {}
    for entry in block.sums:
        sums.setdefault(entry.after, []).append(entry)
    yield from (_sum_row(entry, title) for entry in sums.pop("", ()))
    for reader in block.readers:
        yield LayerRow(label=shortened(reader.path, title), facts=reader)
        yield from (_sum_row(entry, title) for entry in sums.pop(reader.path, ()))


def _sum_row(facts: SumShare, title: str) -> SumRow:
    return SumRow(label=shortened(facts.name, title), facts=facts, words=_branch_words(facts, title))


def _branch_words(facts: SumShare, title: str) -> str:
    if facts.kept == 0:
        return "removed"
    remaining = [shortened(branch.path, title) for branch in facts.branches if not branch.is_removed]
    removed = [shortened(branch.path, title) for branch in facts.branches if branch.is_removed]
    words = " + ".join(remaining) or "a constant"
    return f"{words}, without {', '.join(removed)}" if removed else words


def _shared_path(paths: Sequence[str]) -> str:
    """The leading parts that all paths share, as many as leave each path a word: a number alone says nothing."""
    parts_by_depth = zip(*(path.split(".")[:-1] for path in paths), strict=False)
    shared = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, parts_by_depth)]
    while shared and any(not re.search("[^0-9.]", shortened(path, ".".join(shared))) for path in paths):
        shared.pop()
    return ".".join(shared)


def shortened(path: str, title: str) -> str:
    """A module path within a stage.

    Args:
        path: A module path.
        title: The path of the stage, may be empty.

    Returns:
        What follows `title`; the full path of a module outside the stage.
    """
    return path.removeprefix(f"{title}.") if title else path
