"""Which names of networks there are, without building one: nothing here needs torch."""

import difflib
import re
from dataclasses import dataclass

from studentsearch.errors import UsageError
from studentsearch.models.library import Sizes
from studentsearch.models.library_names import LIBRARY_NAMES, is_listed, require_library_name
from studentsearch.own_function import PREFIX, require_own_function

CIFAR_DEPTHS = (8, 20, 32, 44, 56, 110)
IMAGENET_DEPTHS = (10, 18, 50)
VGG_DEPTHS = (11, 13, 16, 19)
STAGED_VGG_DEPTHS = (6, 11)
MOBILENET_DEPTHS = (9, 16)
_ALIASES = {"densenet": "densenet100_12"}
_CIFAR = Sizes(num_classes=10, in_channels=3, image_size=32)
_DIGITS = Sizes(num_classes=10, in_channels=1, image_size=8)
_CIFAR100 = Sizes(num_classes=100, in_channels=3, image_size=32)
_IMAGENET64 = Sizes(num_classes=1000, in_channels=3, image_size=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Networks that share a form of name.

    Attributes:
        key: What the family is called in `studentsearch.models.registry`.
        pattern: The whole name; its groups are integers.
        listed: Names shown to a user who asks what there is.
        usual: What its networks are for.
    """

    key: str
    pattern: str
    listed: tuple[str, ...]
    usual: Sizes = _CIFAR


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedNetwork:
    """A family, and the integers in the name of one of its networks."""

    family: Family
    words: tuple[int, ...]


def _depths(key: str, form: str, depths: tuple[int, ...], usual: Sizes = _CIFAR) -> Family:
    """A family with one network a depth; `form` has DEPTH for it."""
    return Family(
        key=key,
        pattern=form.replace("DEPTH", f"({'|'.join(map(str, depths))})"),
        listed=tuple(form.replace("DEPTH", str(depth)) for depth in depths),
        usual=usual,
    )


_FAMILIES = (
    # Bounded, so that no name asks for a network of more layers or channels than memory holds.
    Family(key="densenet", pattern=r"densenet([0-9]{1,3})_([0-9]{1,3})", listed=("densenet40_12", "densenet100_12")),
    Family(key="densenet_digits", pattern="densenet_digits", listed=("densenet_digits",), usual=_DIGITS),
    _depths("resnet", "resnetDEPTH", CIFAR_DEPTHS),
    Family(key="resnet_b", pattern=f"resnet({'|'.join(map(str, CIFAR_DEPTHS))})_b", listed=()),
    _depths("resnet_cifar", "resnetDEPTH_cifar", IMAGENET_DEPTHS),
    _depths("vgg", "vggDEPTH", VGG_DEPTHS),
    Family(key="mobilenet", pattern="mobilenet", listed=("mobilenet",)),
    Family(key="mobilenetv2", pattern="mobilenetv2", listed=("mobilenetv2",)),
    _depths("cl_vgg", "cl_vggDEPTH", STAGED_VGG_DEPTHS, _CIFAR100),
    _depths("cl_mobilenet", "cl_mobilenetDEPTH", MOBILENET_DEPTHS, _IMAGENET64),
)


def model_names() -> tuple[str, ...]:
    """Names of the registry; of a family with sizes in its names, the usual members.

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


def find_network(name: str) -> NamedNetwork | None:
    """The family of a registry name.

    Args:
        name: Any model name.

    Returns:
        The family and the integers in the name; None for names of other kinds.
    """
    for family in _FAMILIES:
        match = re.fullmatch(family.pattern, canonical_name(name))
        if match is not None:
            return NamedNetwork(family=family, words=tuple(map(int, match.groups())))
    return None


def usual_registry_sizes(name: str) -> Sizes:
    """What a network of the registry is usually built for; CIFAR-10 for names of other kinds.

    Args:
        name: Any model name.

    Returns:
        Classes and the image.
    """
    found = find_network(name)
    return _CIFAR if found is None else found.family.usual


def require_model_name(name: str) -> None:
    """Refuse a name that no network has: everything that is seen without importing one.

    Args:
        name: As for `studentsearch.models.registry.build_model`.

    Raises:
        UsageError: No such name.
    """
    prefix, colon, rest = name.partition(":")
    if name.startswith(PREFIX):
        require_own_function(name, "model")
    elif colon and prefix in LIBRARY_NAMES:
        require_library_name(prefix, rest)
    elif find_network(name) is None:
        raise UsageError(_unknown(name))


def _unknown(name: str) -> str:
    elsewhere = [f"torchvision:{name}"] if is_listed("torchvision", name) else []
    longer = [known for known in model_names() if known.startswith(f"{name}_")]
    close = difflib.get_close_matches(name, model_names(), n=3, cutoff=0.5)
    nearest = list(dict.fromkeys(longer + elsewhere + close))
    hint = f"nearest: {', '.join(nearest)}" if nearest else f"expected one such as {next(iter(_ALIASES))}"
    return (
        f'unknown model "{name}"; {hint}; list all with: '
        'python -c "from studentsearch.models.names import model_names; print(*model_names())"; '
        "those of other libraries are torchvision:NAME and timm:NAME, a network of your own is python:module:function"
    )
