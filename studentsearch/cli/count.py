"""`studentsearch count`: what one image costs, in every convention of the field."""

from typing import Annotated

import typer

from studentsearch.cli import options as option
from studentsearch.cli.show import show_json
from studentsearch.errors import UsageError

Model = Annotated[str, typer.Argument(metavar="MODEL", help=option.MODEL_HELP)]
Classes = Annotated[
    int | None,
    typer.Option(
        "--classes",
        min=1,
        help="The number of classes of a network that is built by name.",
        show_default="what the network is for",
    ),
]
Shape = Annotated[
    str | None,
    typer.Option(
        "--image-size",
        metavar="CxHxW",
        help="Channels, height and width of one image, such as 3x32x32; of several inputs 3x32x32,1x8x8.",
        show_default="what the network is for",
    ),
]
_WORDS = {
    "macs": "multiply-accumulates of convolutions and linear layers; what --flops means",
    "paper": "macs, 2 per BatchNorm element, 1 per pooled element (Gu and Tresp 2020)",
    "thop": "as thop reports",
    "flops": "as torch's FlopCounterMode reports, 2 per multiply-accumulate",
    "parameters": "trainable numbers",
}


def count(
    model: Model,
    classes: Classes = None,
    image_size: Shape = None,
    skip: option.Skip = None,
    logits: option.Logits = None,
    as_json: option.Json = False,
) -> None:
    """Count multiply-accumulates and parameters of a network, and say what a search would gate."""
    from studentsearch.jobs.checks import require_count

    shapes = () if image_size is None else tuple(parse_image_shape(text) for text in image_size.split(","))
    require_count(model=model, num_classes=classes, input_shapes=shapes)
    from studentsearch.jobs.count import count as run_count
    from studentsearch.report.live import RichProgress

    with RichProgress() as progress:
        counted = run_count(
            model,
            num_classes=classes,
            input_shape=shapes[0] if shapes else None,
            more_shapes=shapes[1:],
            skip=tuple(skip or ()),
            logits=logits,
            progress=progress,
        )
    counts = counted.as_dict()
    if as_json:
        show_json(counts)
        return
    for name, value in counts.items():
        typer.echo(f"{name:<10} {value:>15,}  {_WORDS[name]}")


def parse_image_shape(text: str) -> tuple[int, int, int]:
    """The shape of one image.

    Args:
        text: Such as `3x32x32`.

    Returns:
        Channels, height, width.

    Raises:
        UsageError: Not three whole numbers.
    """
    words = text.lower().split("x")
    if len(words) != 3 or not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words):
        found = repr(text[:60])
        raise UsageError(f"image size {found} is not understood; expected channels, height and width, such as 3x32x32")
    channels, height, width = (int(word) for word in words)
    return channels, height, width
