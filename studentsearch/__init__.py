"""Search a small student inside a trained convolutional teacher, cut it out, and distil the teacher into it.

`load` reads a student; `studentsearch.api` has every job of the command line as a function.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["__version__", "load"]
__version__ = "0.1.0"


def load(folder: str | Path) -> "nn.Module":
    """A student, with its weights, from its folder; no teacher and no pickle is needed.

    Args:
        folder: A student folder, such as RUN/students/90M or RUN/student.

    Returns:
        A network of plain torch.nn layers in evaluation mode: `[B, C, H, W]` to logits `[B, K]`, float32.
    """
    # Here, so that `import studentsearch` and `studentsearch --help` need no torch.
    from studentsearch.student.folder import read_student

    return read_student(Path(folder)).module
