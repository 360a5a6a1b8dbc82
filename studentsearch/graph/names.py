"""Names that generated code may use: of the steps of a forward pass, and of the modules on the way to a layer."""

from __future__ import annotations

import keyword
import re
import unicodedata

from torch import fx, nn

_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USED_BY_CODE = frozenset({
    *("self", "torch", "F", "nn", "math", "operator", "Tensor", "Path", "Student", "build", "student", "weights"),
    *("annotations", "load_file", "slice", "float", "getattr", "object", "super", "str", "inf", "nan", "device"),
    *("Select", "Constant", "StochasticDepth", "NoneType"),
})
"""What the source of a student means by these names; a step of one of them would shadow it."""
_OF_A_MODULE = frozenset(dir(nn.Module()))
_OF_THE_ROOT = _OF_A_MODULE | frozenset(dir(fx.GraphModule)) | {"meta", "self", "_graph", "_code"}
_MAX_LENGTH = 500


def is_step_name(name: str) -> bool:
    """Whether a step may have this name: an ASCII identifier that means nothing else in generated code."""
    is_plain = _STEP.fullmatch(name) is not None and len(name) <= _MAX_LENGTH and not name.startswith("__")
    return is_plain and not keyword.iskeyword(name) and name not in _USED_BY_CODE


def step_name(text: str) -> str:
    """A name for a step that is as near to a text as it may be.

    Args:
        text: Such as the name of a parameter.

    Returns:
        The text itself where `is_step_name` holds.
    """
    if is_step_name(text):
        return text
    # Behind the text, so that it is neither a keyword nor a name of the generated code any more.
    found = f"{re.sub('[^A-Za-z0-9_]', '_', text)[:100]}_"
    return found if is_step_name(found) else f"step_{found.lstrip('_')}"


def path_problem(path: str) -> str | None:
    """Why no layer of a student can stand at a module path.

    Args:
        path: Names of modules, with dots between.

    Returns:
        What is wrong with one of its parts; None where it is fine.
    """
    for depth, part in enumerate(path.split(".")):
        if not part or len(part) > _MAX_LENGTH:
            return f"a name of {len(part)} characters"
        if part in (_OF_A_MODULE if depth else _OF_THE_ROOT) or part.startswith("__") or keyword.iskeyword(part):
            return f"{part!a}, which means something else to Python or torch"
        is_written_safely = part.isprintable() and not set(part) & set("\"'\\`")
        if not is_written_safely or unicodedata.normalize("NFKC", part) != part:
            return f"{part!a:.100}, which cannot be written into source code"
    return None


def is_attribute(part: str) -> bool:
    """Whether Python can write `module.part`."""
    return _STEP.fullmatch(part) is not None and not keyword.iskeyword(part)
