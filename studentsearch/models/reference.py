"""What a user's word for a model means: told apart in one place, without building or opening it; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studentsearch.models.library_names import LIBRARY_NAMES
from studentsearch.models.names import model_names
from studentsearch.own_function import PREFIX
from studentsearch.records.student import has_student_files


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """A model as a user names it.

    Attributes:
        name: The word as it was typed.
        kind: A student folder, any other folder (a search run), a function of the user's, a network of a library, or a
            name that the registry may have.
        library: The library of a `library` network, `torchvision` or `timm`; else empty.
        network: What it is called there; else empty.
    """

    name: str
    kind: Literal["student", "folder", "function", "library", "registry"]
    library: str = ""
    network: str = ""

    @property
    def path(self) -> Path:
        """The folder that it names, if it names one."""
        return Path(self.name)

    @property
    def is_student(self) -> bool:
        """Whether it is a student folder."""
        return self.kind == "student"

    @property
    def is_found(self) -> bool:
        """Whether a student is meant by its folder or its search run, and not by the name of a network."""
        return self.kind in {"student", "folder"}


def parse_model(word: str | Path) -> ModelReference:
    """Tell apart what a word names; whether a network of that name exists is asked by `require_model_name`.

    Args:
        word: As a user wrote it.

    Returns:
        The reference. Folders come first: a student folder may be called as a network is.
    """
    name = str(word)
    if has_student_files(Path(name)):
        return ModelReference(name=name, kind="student")
    if Path(name).is_dir() and name not in model_names():
        return ModelReference(name=name, kind="folder")
    if name.startswith(PREFIX):
        return ModelReference(name=name, kind="function")
    prefix, colon, rest = name.partition(":")
    if colon and prefix in LIBRARY_NAMES:
        return ModelReference(name=name, kind="library", library=prefix, network=rest)
    return ModelReference(name=name, kind="registry")
