"""Files of weights that somebody made to do harm, or that were damaged: each is written by its function."""

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

LINEAR = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


class RunsCode:
    """Unpickled carelessly it makes the folder `ran` in the working directory."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


def saved(content: object, *, legacy: bool = False) -> bytes:
    """A file of torch.save."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def archive(data_pkl: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A file of torch.save around a pickle written by hand."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        made.writestr("archive/data.pkl", data_pkl)
        made.writestr("archive/version", "3\n")
        made.writestr("archive/byteorder", "little")
    return file.getvalue()


def itself() -> object:
    content: dict[str, object] = {"epoch": 1}
    content["state_dict"] = content
    return content


def each_other() -> object:
    one: dict[str, object] = {}
    other: dict[str, object] = {"model": one}
    one["state_dict"] = other
    return one


def nested(depth: int) -> object:
    content: object = LINEAR
    for _ in range(depth):
        content = {"state_dict": content}
    return content


def expanded() -> Tensor:
    """10^12 entries over a storage of one."""
    return torch.ones(1).expand(10**6, 10**6)


def safetensors(header: bytes, *, length: int | None = None, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def one_tensor(dtype: str, shape: str, offsets: str) -> bytes:
    header = f'{{"weight":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}'
    return safetensors(header.encode(), data=b"abcd")


def bomb() -> bytes:
    """Small on the disk, 200 MB unpacked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", b"\x80\x02}.")
        made.writestr("archive/data/0", bytes(200_000_000))
    return file.getvalue()


def quantized() -> Tensor:
    return torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8)


def with_weight(value: object) -> dict[str, object]:
    return LINEAR | {"weight": value}


# Name of the file: what is in it. Every one must be refused in one line.
BYTES: dict[str, Callable[[], bytes]] = {
    "code.pt": lambda: saved({"state_dict": RunsCode()}),
    "code_legacy.pth": lambda: saved({"state_dict": RunsCode()}, legacy=True),
    "code_plain.ckpt": lambda: pickle.dumps(RunsCode()),
    "code.bin": lambda: saved(RunsCode()),
    "module.th": lambda: saved(torch.nn.Linear(3, 2)),
    "itself.pth": lambda: saved(itself()),
    "each_other.th": lambda: saved(each_other()),
    "nested.pt": lambda: saved(nested(400)),
    "nested_tuple.pt": lambda: archive(b"\x80\x02}(" + b")" + b"\x85" * 1_000_000 + b"K\x01u."),
    "many_values.pt": lambda: archive(b"\x80\x02](" + b"N" * 3_000_000 + b"e."),
    "sparse.pt": lambda: saved(with_weight(torch.ones(2, 3).to_sparse())),
    "sparse_csr.pt": lambda: saved(with_weight(torch.ones(2, 3).to_sparse_csr())),
    "meta.pt": lambda: saved(with_weight(torch.empty(2, 3, device="meta"))),
    "quantized.pt": lambda: saved(with_weight(quantized())),
    "complex.pt": lambda: saved(with_weight(torch.ones(2, 3, dtype=torch.complex64))),
    "float8.pt": lambda: saved(with_weight(torch.ones(2, 3).to(torch.float8_e4m3fn))),
    "expanded.pt": lambda: saved(with_weight(expanded())),
    "numpy.pt": lambda: saved(with_weight(np.ones((2, 3)))),
    "numbers.pt": lambda: saved(with_weight(1.0)),
    "numbered.pt": lambda: saved({1: LINEAR["weight"], 2: LINEAR["bias"]}),
    "digits.pt": lambda: saved({f"block1.layer.{'9' * 5000}.conv1.weight": LINEAR["weight"]}),
    "long_index.pt": lambda: saved({f"fc.{'9' * 900}.weight": LINEAR["weight"]}),
    "control.pt": lambda: saved({"weight\n\x1b[2J": LINEAR["weight"], "bias": LINEAR["bias"]}),
    "nan.pt": lambda: saved(with_weight(torch.full((2, 3), float("nan")))),
    "infinite.pt": lambda: saved(with_weight(torch.full((2, 3), float("inf")))),
    "infinite_in_float32.pt": lambda: saved(with_weight(torch.full((2, 3), 1e300, dtype=torch.float64))),
    "bomb.pt": bomb,
    "deflated.pt": lambda: archive(b"\x80\x02X" + struct.pack("<I", 10**8) + b"a" * 10**8 + b".", zipfile.ZIP_DEFLATED),
    "endless_bytearray.pt": lambda: archive(b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + b"\0\0\0\0\0\x01" + b"\x85R."),
    "empty.pt": lambda: b"",
    "truncated.pt": lambda: saved(LINEAR)[:500],
    "truncated_legacy.pt": lambda: saved(LINEAR, legacy=True)[:-10],
    "text.pth": lambda: b"<html>404: Not Found</html>",
    "script.pt": lambda: archive(b"\x80\x02c__torch__\nM\n)\x81."),
    "empty.safetensors": lambda: b"",
    "long_header.safetensors": lambda: safetensors(b"{}", length=2**63 - 1),
    "header_behind_the_end.safetensors": lambda: safetensors(b'{"a":', length=5000),
    "no_json.safetensors": lambda: safetensors(b"{nothing"),
    "shape.safetensors": lambda: one_tensor("F32", "[4294967296,4294967296]", "[0,4]"),
    "offsets.safetensors": lambda: one_tensor("F32", "[1]", "[4,0]"),
    "dtype.safetensors": lambda: one_tensor("F64X", "[1]", "[0,4]"),
    "nan.safetensors": lambda: save({"weight": torch.full((2, 3), float("nan")), "bias": torch.zeros(2)}),
    "truncated.safetensors": lambda: save(LINEAR)[:-4],
    "disguised.bin": lambda: save(LINEAR)[:-4],
    "pickle.safetensors": lambda: saved(RunsCode()),
    "archive.h5": lambda: b"\x89HDF\r\n",
}


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


# Name of what is no regular file: how it is made.
PLACES: dict[str, Callable[[Path], None]] = {
    "pipe.pt": make_pipe,
    "pipe.safetensors": make_pipe,
    "device.pt": lambda path: path.symlink_to("/dev/zero"),
    "device.safetensors": lambda path: path.symlink_to("/dev/zero"),
    "folder.pt": Path.mkdir,
    "loop.pt": make_loop,
    "nowhere.pt": lambda path: path.symlink_to("nothing"),
}
