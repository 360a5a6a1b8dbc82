"""What was kept of networks without dense blocks, written by hand as a cut reports it."""

from itertools import pairwise

from studentsearch.records.blocks import BlockShare
from studentsearch.records.shares import BranchShare, ReaderShare, SourceShare, SumShare


def layer(path: str, source: str, inputs: tuple[int, int], outputs: tuple[int, int], area: int) -> ReaderShare:
    """A layer that keeps the first of its inputs and filters; each pair is (kept, had)."""
    return ReaderShare(
        path=path,
        inputs=inputs[1],
        kept_inputs=tuple(range(inputs[0])),
        outputs=outputs[1],
        kept_outputs=tuple(range(outputs[0])),
        macs_before=inputs[1] * outputs[1] * area,
        macs_after=inputs[0] * outputs[0] * area,
        sources=(SourceShare(path=source, channels=inputs[1], kept=inputs[0]),),
    )


def depthwise(path: str, kept: int, channels: int, area: int) -> ReaderShare:
    everything = tuple(range(kept))
    return ReaderShare(
        path=path,
        inputs=channels,
        kept_inputs=everything,
        outputs=channels,
        kept_outputs=everything,
        macs_before=channels * area,
        macs_after=kept * area,
        sources=(),
        groups=channels,
    )


def added(name: str, after: str, kept: int, channels: int, *branches: str) -> SumShare:
    """A sum; of a branch with a dash in front nothing is left."""
    return SumShare(
        name=name,
        after=after,
        channels=channels,
        kept=kept,
        branches=tuple(BranchShare(path=path.removeprefix("-"), is_removed=path.startswith("-")) for path in branches),
    )


def residual_stage(number: int, blocks: int, *, width: int, area: int, stream: str) -> BlockShare:
    """A stage of basic blocks: every third loses its branch, and of the second one a layer keeps a single channel."""
    readers: list[ReaderShare] = []
    sums: list[SumShare] = []
    for block in range(blocks):
        first, second = (f"layer{number}.{block}.conv{place}" for place in (1, 2))
        inner = 0 if block % 3 == 2 else 1 if block == 1 else width // 2
        readers += [
            layer(first, stream, (min(inner, 1) * (width - block % 5), width), (inner, width), 9 * area),
            layer(second, first, (inner, width), (width - block % 5, width), 9 * area),
        ]
        name = f"add_{100 * number + block}"
        sums.append(added(name, second, width - block % 5, width, stream, second if inner else f"-{second}"))
        stream = name
    return BlockShare(name=f"layer{number}", readers=tuple(readers), sums=tuple(sums))


def resnet(blocks: int) -> tuple[BlockShare, ...]:
    """A residual network of three stages for images of 32x32."""
    stem = layer("conv1", "x", (3, 3), (16, 16), 9 * 1024)
    stages = [
        residual_stage(
            number,
            blocks,
            width=8 * 2**number,
            area=4096 // 4**number,
            stream="conv1" if number == 1 else f"add_{100 * (number - 1) + blocks - 1}",
        )
        for number in (1, 2, 3)
    ]
    head = layer("fc", f"add_{300 + blocks - 1}", (60, 64), (100, 100), 1)
    return (
        BlockShare(name="conv1", readers=(stem,)),
        *stages,
        BlockShare(name="fc", readers=(head,)),
    )


def inverted_residual(number: int, width: int, kept: int, *, area: int, stream: str, is_added: bool) -> BlockShare:
    """Expansion, depthwise convolution and projection, added to the stream where shapes agree."""
    path, wide = f"features.{number}.conv", 6 * width
    return BlockShare(
        name=str(number),
        readers=(
            layer(f"{path}.0.0", stream, (kept // 6, width), (kept, wide), area),
            depthwise(f"{path}.1.0", kept, wide, 9 * area),
            layer(f"{path}.2", f"{path}.0.0", (kept, wide), (width - 1, width), area),
        ),
        sums=(added(f"add_{number}", f"{path}.2", width - 1, width, stream, f"{path}.2"),) if is_added else (),
    )


MOBILENET = (
    BlockShare(name="0", readers=(layer("features.0.0", "x", (3, 3), (30, 32), 9 * 256),)),
    inverted_residual(1, 16, 50, area=256, stream="features.0.0", is_added=False),
    inverted_residual(2, 160, 6, area=16, stream="features.1.conv.2", is_added=False),
    inverted_residual(3, 160, 960, area=16, stream="features.2.conv.2", is_added=True),
    BlockShare(name="18", readers=(layer("features.18.0", "add_3", (159, 160), (1000, 1280), 16),)),
    BlockShare(name="classifier", readers=(layer("classifier.1", "features.18.0", (1000, 1280), (100, 100), 1),)),
)
_WIDTHS = (3, 64, 128, 256, 256, 512, 512, 512, 512)
_CONVOLUTIONS = tuple(
    layer(f"features.{4 * place}", "x", (inputs // 2, inputs), (outputs // 2, outputs), 9)
    for place, (inputs, outputs) in enumerate(pairwise(_WIDTHS))
)
_LINEAR = (
    layer("classifier.0", "features.28", (15092, 25088), (2472, 4096), 1),
    layer("classifier.3", "classifier.0", (2472, 4096), (2452, 4096), 1),
    layer("classifier.6", "classifier.3", (2452, 4096), (1000, 1000), 1),
)
VGG = (
    *(BlockShare(name=convolution.path.split(".")[1], readers=(convolution,)) for convolution in _CONVOLUTIONS),
    BlockShare(name="classifier", readers=_LINEAR),
)
NETS: dict[str, tuple[BlockShare, ...]] = {
    "resnet": resnet(3),
    "resnet110": resnet(18),
    "mobilenet": MOBILENET,
    "vgg": VGG,
}
