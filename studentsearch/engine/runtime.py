"""Where and how precisely a run computes."""

import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch

from studentsearch.engine.compute_words import require_compute
from studentsearch.errors import UsageError

Precision = Literal["float32", "bf16"]
_AMPERE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A device and a precision.

    Attributes:
        device: Where tensors lie.
        precision: What convolutions and products compute in; parameters and losses stay float32.
    """

    device: torch.device
    precision: Precision

    def autocast(self) -> AbstractContextManager[None]:
        """The context in which forward passes run.

        Returns:
            bf16 autocast on the device, or a context that changes nothing for float32.
        """
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def name(self) -> str:
        """The runtime in words, for a manifest.

        Returns:
            Such as "cpu, 2 threads, bf16" or "cuda:0 (NVIDIA A100), bf16".
        """
        if self.device.type == "cuda":
            return f"{self.device} ({torch.cuda.get_device_name(self.device)}), {self.precision}"
        if self.device.type == "cpu":
            return f"cpu, {torch.get_num_threads()} threads, {self.precision}"
        return f"{self.device}, {self.precision}"


def open_runtime(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Runtime:
    """The runtime that a user's words mean; sets this process up for repeatable results.

    Args:
        device: "auto" (CUDA if there is one, else the CPU), "cpu", "cuda", "cuda:1", "mps".
        precision: "auto" (bf16 where the device multiplies it natively), "float32" or "bf16".
        threads: CPU threads; None leaves torch's choice.

    Returns:
        The runtime.

    Raises:
        UsageError: If the device is not there, the precision unknown, or the threads are fewer than 1.
    """
    require_compute(device, precision, threads)
    if threads is not None:
        torch.set_num_threads(threads)
    # The fastest algorithm differs from run to run, and some add in no fixed order: neither can be resumed bit for bit.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    place = _find_device(device)
    if precision == "auto":
        precision = "bf16" if _multiplies_bf16(place) else "float32"
    return Runtime(device=place, precision="bf16" if precision == "bf16" else "float32")


def _find_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    num_there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    index = device.index or 0
    if index >= num_there[device.type]:
        raise UsageError(
            f"device {name!r} is not there: torch {torch.__version__} sees {num_there[device.type]} {device.type} "
            f"devices on this {platform.system()} machine; use auto or cpu"
        )
    return torch.device("cuda", index) if device.type == "cuda" else torch.device(device.type)


def _multiplies_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than float32 there, rather than emulated."""
    if device.type == "cuda":
        return torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= _AMPERE
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
