"""Files of torch.save: looked at before torch reads them, and read without running anything in them."""

import io
import pickle
import pickletools
import re
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO

import torch

from studentsearch.errors import InputFileError

_CURE = "expected tensors alone; save module.state_dict(), best as .safetensors"
_ZIP = b"PK\x03\x04"
_LEGACY_PICKLES = 4  # magic number, protocol, system, content: how torch.save wrote before 1.6
_MAX_PICKLE_BYTES = 16 * 1024 * 1024
"""Bound on the names and shapes in a file. A network of 2,000 tensors with its optimizer has 1 MB."""
_MAX_OPCODES = 2_000_000
"""Bound on their number, about 30 a tensor, so that reading a file that means nothing ends within seconds."""
_MAX_TUPLES = 80_000
"""Bound on tuples, four a tensor: Python's hash of one nested 150,000 deep ends the process."""


def read_torch(file: BinaryIO, path: Path) -> object:
    """The content of a file of torch.save, with `weights_only=True`; nothing in it is run.

    Args:
        file: Open for reading, at its beginning.
        path: Its name, for messages.

    Returns:
        What was saved, tensors on the CPU.

    Raises:
        InputFileError: Not such a file, damaged, larger when read than on the disk, or it holds more than plain values
            and tensors.
    """
    try:
        _survey(file, path)
        file.seek(0)
        with warnings.catch_warnings(action="ignore"):  # of other pickle protocols; what does not load is told below
            content: object = torch.load(file, map_location="cpu", weights_only=True)
    except InputFileError:
        raise
    except pickle.UnpicklingError as error:
        culprit = re.search(r"GLOBAL (\S+)", str(error))
        found = f"needs {culprit[1]} to load" if culprit else "is not a file of torch.save"
        raise InputFileError(f"{path}: {found}; {_CURE}") from error
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        reason = " ".join(str(error).split())[:200]
        raise InputFileError(f"{path}: not readable ({reason}); expected a file of torch.save") from error
    return content


def _survey(file: BinaryIO, path: Path) -> None:
    """Refuse what would take far more memory, time or stack to read than a file of weights of its size."""
    is_zip = file.read(len(_ZIP)) == _ZIP
    num_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    if not is_zip:
        _survey_pickles(io.BytesIO(file.read(_MAX_PICKLE_BYTES)), _LEGACY_PICKLES, path)
        return
    with zipfile.ZipFile(file) as archive:
        # torch.save compresses nothing, so that parts that are larger together than the file are a bomb.
        claimed = sum(part.file_size for part in archive.infolist())
        if claimed > num_bytes:
            raise InputFileError(f"{path}: claims {claimed:,} bytes in a file of {num_bytes:,}; {_CURE}")
        for part in archive.infolist():
            if part.filename.rpartition("/")[2] == "data.pkl":
                with archive.open(part) as member:
                    _survey_pickles(io.BytesIO(member.read(_MAX_PICKLE_BYTES)), 1, path)


def _survey_pickles(content: io.BytesIO, num_pickles: int, path: Path) -> None:
    num_opcodes = num_tuples = 0
    for _ in range(num_pickles):
        try:
            for opcode, _argument, _place in pickletools.genops(content):
                num_opcodes += 1
                num_tuples += opcode.name.startswith("TUPLE")
                if num_opcodes > _MAX_OPCODES or num_tuples > _MAX_TUPLES:
                    raise InputFileError(f"{path}: holds too many values beside its tensors; {_CURE}")
        except (ValueError, UnicodeDecodeError) as error:
            raise InputFileError(f"{path}: is not a file of torch.save; {_CURE}") from error
