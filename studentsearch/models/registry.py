"""Networks by name: one table from names to constructors, other libraries' networks, and the user's own functions."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from studentsearch.errors import UsageError
from studentsearch.models.cifar import densenet_bc, densenet_digits
from studentsearch.models.cross_layer import MOBILENET_DEPTHS, STAGED_VGG_DEPTHS, cross_layer_mobilenet, cross_layer_vgg
from studentsearch.models.libraries import LIBRARIES, library_of
from studentsearch.models.library import Sizes
from studentsearch.models.mobilenet import mobilenet, mobilenet_v2
from studentsearch.models.python_function import build_from_python
from studentsearch.models.resnet import CIFAR_DEPTHS, IMAGENET_DEPTHS, cifar_resnet, imagenet_resnet
from studentsearch.models.vgg import VGG_DEPTHS, vgg
from studentsearch.own_function import PREFIX

_ALIASES = {"densenet": "densenet100_12"}
_CIFAR = Sizes(num_classes=10, in_channels=3, image_size=32)
_DIGITS = Sizes(num_classes=10, in_channels=1, image_size=8)
_CIFAR100 = Sizes(num_classes=100, in_channels=3, image_size=32)
_IMAGENET64 = Sizes(num_classes=1000, in_channels=3, image_size=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """One line of the table.

    Attributes:
        pattern: The whole name; its groups are integers.
        listed: Names shown to a user who asks what there is.
        build: From the integers in the name and the sizes to a network.
        usual: What its networks are for.
    """

    pattern: str
    listed: tuple[str, ...]
    build: Callable[[tuple[int, ...], Sizes], nn.Module]
    usual: Sizes = _CIFAR


def _one_of(depths: tuple[int, ...]) -> str:
    return "(" + "|".join(map(str, depths)) + ")"


_FAMILIES = (
    _Family(
        pattern=r"densenet([0-9]+)_([0-9]+)",
        listed=("densenet40_12", "densenet100_12"),
        build=lambda words, sizes: densenet_bc(
            depth=words[0], growth=words[1], num_classes=sizes.num_classes, in_channels=sizes.in_channels
        ),
    ),
    _Family(
        pattern=r"densenet_digits",
        listed=("densenet_digits",),
        build=lambda _, sizes: densenet_digits(num_classes=sizes.num_classes, in_channels=sizes.in_channels),
        usual=_DIGITS,
    ),
    _Family(
        pattern=f"resnet{_one_of(CIFAR_DEPTHS)}",
        listed=tuple(f"resnet{depth}" for depth in CIFAR_DEPTHS),
        build=lambda words, sizes: cifar_resnet(
            depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels
        ),
    ),
    _Family(
        pattern=f"resnet{_one_of(CIFAR_DEPTHS)}_b",
        listed=(),
        build=lambda words, sizes: cifar_resnet(
            depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels, has_projections=True
        ),
    ),
    _Family(
        pattern=f"resnet{_one_of(IMAGENET_DEPTHS)}_cifar",
        listed=tuple(f"resnet{depth}_cifar" for depth in IMAGENET_DEPTHS),
        build=lambda words, sizes: imagenet_resnet(
            depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels
        ),
    ),
    _Family(
        pattern=f"vgg{_one_of(VGG_DEPTHS)}",
        listed=tuple(f"vgg{depth}" for depth in VGG_DEPTHS),
        build=lambda words, sizes: vgg(depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels),
    ),
    _Family(
        pattern=r"mobilenet",
        listed=("mobilenet",),
        build=lambda _, sizes: mobilenet(
            num_classes=sizes.num_classes, in_channels=sizes.in_channels, image_size=sizes.image_size
        ),
    ),
    _Family(
        pattern=r"mobilenetv2",
        listed=("mobilenetv2",),
        build=lambda _, sizes: mobilenet_v2(
            num_classes=sizes.num_classes, in_channels=sizes.in_channels, image_size=sizes.image_size
        ),
    ),
    _Family(
        pattern=f"cl_vgg{_one_of(STAGED_VGG_DEPTHS)}",
        listed=tuple(f"cl_vgg{depth}" for depth in STAGED_VGG_DEPTHS),
        build=lambda words, sizes: cross_layer_vgg(
            depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels
        ),
        usual=_CIFAR100,
    ),
    _Family(
        pattern=f"cl_mobilenet{_one_of(MOBILENET_DEPTHS)}",
        listed=tuple(f"cl_mobilenet{depth}" for depth in MOBILENET_DEPTHS),
        build=lambda words, sizes: cross_layer_mobilenet(
            depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels
        ),
        usual=_IMAGENET64,
    ),
)


def model_names() -> tuple[str, ...]:
    """Names that `build_model` knows; of a family with sizes in its names, the usual members.

    Returns:
        Names, sorted.
    """
    return tuple(sorted({*_ALIASES, *(name for family in _FAMILIES for name in family.listed)}))


def canonical_name(name: str) -> str:
    """The full name behind a short one: `densenet` is `densenet100_12`.

    Args:
        name: Any model name.

    Returns:
        The full name; other names unchanged.
    """
    return _ALIASES.get(name, name)


def usual_sizes(name: str) -> Sizes:
    """What a network is usually built for: CIFAR-10 for most networks of small pictures, else what its library says.

    Args:
        name: Any model name.

    Returns:
        Classes and the picture.
    """
    found = library_of(name)
    if found is not None:
        library, rest = found
        return library.usual_sizes(rest)
    families = (family for family in _FAMILIES if re.fullmatch(family.pattern, canonical_name(name)))
    family = next(families, None)
    return _CIFAR if family is None else family.usual


def build_model(name: str, *, num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """The network of a name, with fresh weights.

    Args:
        name: A registry name (`densenet`, `resnet20`, ...), a library's (`torchvision:resnet18`, `timm:dla34`), or
            `python:module:function`: a function, found from the working directory too, that gives a network; it is
            called with `num_classes` and `in_channels` where it takes them by these names.
        num_classes: Logits, >= 1.
        in_channels: Channels of the picture, >= 1.
        image_size: Shorter side of the pictures, for networks that are built differently for small ones.

    Returns:
        A network that takes `[B, in_channels, H, W]` and gives `[B, num_classes]`.

    Raises:
        UsageError: No such name, or a function that cannot be imported or gives no network.
    """
    sizes = Sizes(num_classes=num_classes, in_channels=in_channels, image_size=image_size)
    if name.startswith(PREFIX):
        return build_from_python(name, sizes)
    found = library_of(name)
    if found is not None:
        library, rest = found
        return library.build(rest, sizes)
    for family in _FAMILIES:
        match = re.fullmatch(family.pattern, canonical_name(name))
        if match is not None:
            return family.build(tuple(map(int, match.groups())), sizes)
    raise UsageError(_unknown(name))


def _unknown(name: str) -> str:
    elsewhere = [f"torchvision:{name}"] if name in LIBRARIES["torchvision"].names() else []
    longer = [known for known in model_names() if known.startswith(f"{name}_")]
    close = difflib.get_close_matches(name, model_names(), n=3, cutoff=0.5)
    nearest = list(dict.fromkeys(longer + elsewhere + close))
    hint = f"nearest: {', '.join(nearest)}" if nearest else f"expected one such as {next(iter(_ALIASES))}"
    return (
        f'unknown model "{name}"; {hint}; list all with: '
        'python -c "from studentsearch.models.registry import model_names; print(*model_names())"; '
        "those of other libraries are torchvision:NAME and timm:NAME, a network of your own is python:module:function"
    )
