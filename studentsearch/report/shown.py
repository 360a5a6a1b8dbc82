"""What a report shows on a terminal, with every character that does not print replaced by one that does."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A renderable whose text may come from files that others wrote: control sequences in it move no cursor."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return _shown(console.render(self.content, options), "?" if options.ascii_only else _REPLACEMENT)


def _shown(segments: Iterable[Segment], replacement: str) -> Iterable[Segment]:
    for segment in segments:
        if segment.control is not None or segment.text.replace("\n", "").isprintable():
            yield segment
        else:
            text = "".join(char if char.isprintable() or char == "\n" else replacement for char in segment.text)
            yield Segment(text, segment.style)
