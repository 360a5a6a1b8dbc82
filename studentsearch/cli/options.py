"""Options that several commands share: one alias each, so that a name means the same everywhere."""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

T = TypeVar("T")
_DATA, _COMPUTE, _TRAINING, _KL = "Data", "Compute", "Training", "KL to the teacher"

NAME_HELP = "Model name such as resnet20, torchvision:NAME, timm:NAME, or python:module:function."
MODEL_HELP = "Model name such as resnet20, torchvision:NAME, timm:NAME, python:module:function, or a student folder."

DataName = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME",
        help="digits, cifar10, cifar100, fashion-mnist, folder:PATH (train/ and test/ or val/, one folder a class), "
        "imagenet64:PATH (npz batches), python:module:function. Without it: what the model was published for.",
        rich_help_panel=_DATA,
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="FOLDER",
        help="The folder of named data and published weights. Without it: $STUDENTSEARCH_DATA, else "
        "~/.cache/studentsearch/data.",
        rich_help_panel=_DATA,
    ),
]
Download = Annotated[bool, typer.Option("--download", help="Download missing data and weights.", rich_help_panel=_DATA)]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        min=1,
        max=8192,
        help="Resize and center-crop the images of a folder to this many pixels.",
        rich_help_panel=_DATA,
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        "--mean", metavar="R,G,B", help="The mean of each channel, for pixels in 0..1.", rich_help_panel=_DATA
    ),
]
Std = Annotated[
    str | None,
    typer.Option(
        "--std",
        metavar="R,G,B",
        help="The standard deviation of each channel, for pixels in 0..1.",
        rich_help_panel=_DATA,
    ),
]
Augment = Annotated[
    str | None,
    typer.Option(
        "--augment",
        metavar="WORDS",
        help="How training images are varied: none, flip, shift:4+flip, shift:4+rotate:15+flip.",
        rich_help_panel=_DATA,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="The weights: a .safetensors file or a torch state dict; for torchvision:NAME and timm:NAME also a name "
        "such as DEFAULT.",
    ),
]
SeveralWeights = Annotated[
    list[Path] | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="A teacher's weights, as for search. Once for each teacher of an ensemble.",
        rich_help_panel="Teachers",
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="A published recipe: search, cross-layer, cross-layer-resnet50, cross-layer-imagenet64; single options "
        "below go before it.",
        rich_help_panel=_TRAINING,
    ),
]
Skip = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="PATTERN",
        help="Keep all channels of layers whose path matches, such as layer4.*. May be repeated.",
    ),
]
Logits = Annotated[
    str | None,
    typer.Option(
        "--logits",
        metavar="KEY",
        help="Which output of a network that returns several is trained and evaluated: its key (out, heads.cat) or its "
        "position. Without it: out, else logits, else the first of shape [B, classes].",
    ),
]


Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="The folder of all runs. Unfinished ones continue."),
]
RunOut = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="The run folder. An unfinished run with the same options continues.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the facts as JSON on stdout.")]

Temperature = Annotated[
    float,
    typer.Option("--temperature", help="What the logits are divided by before the softmax.", rich_help_panel=_KL),
]
SquaredTemperature = Annotated[
    bool,
    typer.Option(
        "--squared-temperature/--no-squared-temperature",
        help="Multiply the KL by temperature^2.",
        rich_help_panel=_KL,
    ),
]
ReverseKl = Annotated[
    bool,
    typer.Option(
        "--reverse-kl", help="Take KL(student || teacher) in place of KL(teacher || student).", rich_help_panel=_KL
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", metavar="NAME", help="Where to compute: auto, cpu, cuda, cuda:1, mps.", rich_help_panel=_COMPUTE
    ),
]
Precision = Annotated[
    Literal["auto", "float32", "bf16"],
    typer.Option("--precision", help="The precision in which convolutions compute.", rich_help_panel=_COMPUTE),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, max=1024, help="The number of CPU threads.", rich_help_panel=_COMPUTE)
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**32 - 1, help="The seed of everything random.", rich_help_panel=_COMPUTE)
]

Epochs = Annotated[
    int | None,
    typer.Option("--epochs", min=1, max=10**6, help="Passes over the training images.", rich_help_panel=_TRAINING),
]
TrainingSteps = Annotated[
    int | None,
    typer.Option(
        "--steps", min=1, max=10**9, help="Train for so many steps, in place of --epochs.", rich_help_panel=_TRAINING
    ),
]
Batch = Annotated[
    int | None, typer.Option("--batch", min=1, max=10**6, help="Images in each step.", rich_help_panel=_TRAINING)
]
Rate = Annotated[
    float | None, typer.Option("--rate", help="The learning rate after warm-up.", rich_help_panel=_TRAINING)
]
ScheduleName = Annotated[
    Literal["cosine", "milestones", "constant"] | None,
    typer.Option("--schedule", help="How the learning rate falls.", rich_help_panel=_TRAINING),
]
Milestones = Annotated[
    str | None,
    typer.Option(
        "--milestones",
        metavar="A,B",
        help="Where the learning rate is divided by 10: epochs (150,225) or shares of the training (0.5,0.75).",
        rich_help_panel=_TRAINING,
    ),
]
Warmup = Annotated[
    float | None,
    typer.Option(
        "--warmup",
        metavar="SHARE",
        help="The share of all steps in which the learning rate rises linearly.",
        rich_help_panel=_TRAINING,
    ),
]
WeightDecay = Annotated[
    float | None,
    typer.Option(
        "--weight-decay", min=0, help="The weight decay (lambda_1) of all parameters.", rich_help_panel=_TRAINING
    ),
]


def given(value: T | None, default: T) -> T:
    """What the user chose, else the default.

    Args:
        value: None where the option was left out.
        default: What it means then.

    Returns:
        One of the two.
    """
    return default if value is None else value


def default_out(*words: str) -> Path:
    """A run folder under the working directory, named after what is run.

    Args:
        words: Such as the command, the model and the data; of a path the last part counts.

    Returns:
        Such as `runs/search-densenet-cifar10`; letters that trouble a path become `-`.
    """
    plain = (re.sub(r"[^A-Za-z0-9._]+", "-", word.rstrip("/").rpartition("/")[2]).strip("-.") for word in words)
    return Path("runs") / "-".join(word for word in plain if word)
