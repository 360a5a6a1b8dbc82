"""The names of other libraries' networks, read from their source: importing a library would take seconds."""

import difflib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from studentsearch.errors import UsageError

# Where a library registers networks, and how: a decorator without a name, then the function of that name.
LIBRARY_NAMES = {"torchvision": "models", "timm": "models"}
_REGISTERED = re.compile(r"^@register_model(?:\(\))?\n(?:@[^\n]*(?:\n[ )][^\n]*)*\n)*def (\w+)\(", re.MULTILINE)


@cache
def source_names(library: str) -> tuple[str, ...]:
    """The networks that a library's source registers.

    Args:
        library: A key of `LIBRARY_NAMES`.

    Returns:
        Names, sorted.

    Raises:
        UsageError: The library is not installed.
    """
    spec = find_spec(library)
    if spec is None or spec.origin is None:
        raise UsageError(f"{library} is not installed; install it: pip install 'studentsearch[{library}]'")
    folder = Path(spec.origin).parent / LIBRARY_NAMES[library]
    return tuple(
        sorted({name for file in folder.glob("*.py") for name in _REGISTERED.findall(file.read_text(encoding="utf-8"))})
    )


def is_listed(library: str, name: str) -> bool:
    """Whether a library has a network of that name; what follows a point in it names weights.

    Args:
        library: A key of `LIBRARY_NAMES`.
        name: Without the library's prefix.

    Returns:
        Whether it has.
    """
    return name.partition(".")[0] in source_names(library)


def require_library_name(library: str, name: str) -> None:
    """Refuse a name that a library does not have.

    Args:
        library: A key of `LIBRARY_NAMES`.
        name: Without the library's prefix.

    Raises:
        UsageError: No such network; the nearest names are in the message.
    """
    if is_listed(library, name):
        return
    names = source_names(library)
    nearest = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:1]
    raise UsageError(f'unknown model "{library}:{name}"; nearest: {", ".join(f"{library}:{near}" for near in nearest)}')


def names_library_weights(model: str, weights: Path) -> bool:
    """Whether weights are named as a library names them, such as `DEFAULT`, and not a file.

    Args:
        model: Any model name.
        weights: What the user gave. Run folders keep a word for weights as a whole path, so its last part counts.

    Returns:
        Whether they are.
    """
    prefix, colon, _ = model.partition(":")
    return bool(colon) and prefix in LIBRARY_NAMES and not weights.suffix and not weights.exists()
