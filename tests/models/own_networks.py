"""Networks as people hand them over: wrapped, frozen, scripted, lazy, normed, shared, in any precision."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm


class Net(nn.Module):
    """Three convolutions, one of them in a residual branch."""

    def __init__(
        self,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        wrap: Callable[[nn.Module], nn.Module] = lambda layer: layer,
        *,
        is_lazy: bool = False,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)

        def conv(inputs: int) -> nn.Module:
            return nn.LazyConv2d(8, 3, padding=1) if is_lazy else nn.Conv2d(inputs, 8, 3, padding=1)

        self.first, self.norm, self.body, self.last = conv(1), norm(8), wrap(conv(8)), conv(8)
        self.head = nn.LazyLinear(10) if is_lazy else nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.first(x)))
        return self.head(F.relu(self.last(x + F.relu(self.body(x)))).mean((2, 3)))


class Uncopied(Net):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def changed(change: Callable[[Net], object]) -> Net:
    net = Net()
    change(net)
    return net


def compiled_part(net: Net) -> None:
    net.body = torch.compile(net.body)  # type: ignore[assignment]


def parallel_part(net: Net) -> None:
    net.body = nn.DataParallel(net.body)


def scripted_part(net: Net) -> None:
    net.body = torch.jit.script(net.body)


def shared(net: Net) -> None:
    net.last = net.body


def shared_tensors(net: Net) -> None:
    net.last.weight, net.last.bias = net.body.weight, net.body.bias


def strided(net: Net) -> None:
    net.body.weight = nn.Parameter(net.body.weight.detach().transpose(0, 1))


def on_meta() -> Net:
    with torch.device("meta"):
        return Net()


COMPILED: dict[str, Callable[[], nn.Module]] = {
    "compiled": lambda: torch.compile(Net()),  # type: ignore[return-value]
    "compiled part": lambda: changed(compiled_part),
    "compiled in place": lambda: changed(lambda net: net.compile()),
}
WORKING: dict[str, Callable[[], nn.Module]] = {
    "plain": Net,
    "partly frozen": lambda: changed(lambda net: net.body.requires_grad_(False)),
    "lazy": lambda: Net(is_lazy=True),
    "synchronised norm": lambda: nn.SyncBatchNorm.convert_sync_batchnorm(Net()),
    "old weight norm": lambda: Net(wrap=weight_norm),
    "old weight norm of all": lambda: Net(wrap=lambda layer: weight_norm(layer, dim=None)),  # type: ignore[arg-type]
    "old spectral norm": lambda: Net(wrap=spectral_norm),
    "weight norm": lambda: Net(wrap=parametrizations.weight_norm),
    "spectral norm": lambda: Net(wrap=parametrizations.spectral_norm),
    "orthogonal": lambda: Net(wrap=parametrizations.orthogonal),
    "data parallel": lambda: nn.DataParallel(Net()),
    "data parallel part": lambda: changed(parallel_part),
    "half": lambda: Net().half(),
    "bfloat16": lambda: Net().bfloat16(),
    "double": lambda: Net().double(),
    "mixed": lambda: changed(lambda net: net.head.half()),
    "channels last": lambda: Net().to(memory_format=torch.channels_last),
    "strided": lambda: changed(strided),
    "shared layer": lambda: changed(shared),
    "shared tensors": lambda: changed(shared_tensors),
    "of torch.fx": lambda: torch.fx.symbolic_trace(Net()),
}
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "scripted": (
        lambda: torch.jit.script(Net()),
        r"^mine: the network is scripted or traced \(torch\.jit\), .*; return the Python module that it was made from$",
    ),
    "traced": (
        lambda: torch.jit.trace(Net().eval(), torch.zeros(1, 1, 8, 8)),
        r"^mine: the network is scripted or traced",
    ),
    "scripted part": (lambda: changed(scripted_part), r"^mine: body is scripted or traced"),
    "meta": (on_meta, r"^mine: first\.weight is on the meta device and holds no numbers; make it on the CPU$"),
    "lock": (Uncopied, r"^mine cannot be copied \(.*\); keep only modules, tensors and plain values as attributes$"),
}
