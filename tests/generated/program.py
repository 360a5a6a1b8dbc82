"""A generated network: readable code that is run as it is printed."""

from __future__ import annotations

import copy
import linecache
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torchvision.ops import StochasticDepth, stochastic_depth

Shape = tuple[int, ...]
FILE = "generated.py"


class Residual(nn.Module):
    """A part that adds what its layer makes to what it reads, by functions of its own."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.scale * self.body(x))


class Part(nn.Module):
    """A part that calls parts of its own."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.inner = nn.ModuleList([first, second])

    def forward(self, x: Tensor) -> Tensor:
        for part in self.inner:
            x = part(x)
        return x


NAMES = {
    "F": F,
    "OrderedDict": OrderedDict,
    "Part": Part,
    "Residual": Residual,
    "StochasticDepth": StochasticDepth,
    "copy": copy,
    "nn": nn,
    "parametrizations": parametrizations,
    "stochastic_depth": stochastic_depth,
    "torch": torch,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A network as code.

    Attributes:
        shapes: Shapes of its inputs `x0`, `x1`, ... without the batch.
        layers: Lines of `__init__`.
        lines: Lines of `forward`.
        answer: The expression that forward returns.
    """

    shapes: tuple[Shape, ...]
    layers: tuple[str, ...]
    lines: tuple[str, ...]
    answer: str

    def __str__(self) -> str:
        shapes = "  ".join(f"x{place}: [B, {', '.join(map(str, shape))}]" for place, shape in enumerate(self.shapes))
        return f"# {shapes}\n{self.source}"

    @property
    def source(self) -> str:
        """The class."""
        inputs = ", ".join(f"x{place}" for place in range(len(self.shapes)))
        body = ("super().__init__()", *self.layers)
        return "\n".join((
            "class Net(nn.Module):",
            "    def __init__(self):",
            *(f"        {line}" for line in body),
            "",
            f"    def forward(self, {inputs}):",
            *(f"        {line}" for line in self.lines),
            f"        return {self.answer}",
            "",
        ))

    def module(self, seed: int = 0) -> nn.Module:
        """The network in float64 and evaluation mode, every tensor drawn as if it had been trained."""
        linecache.cache[FILE] = (len(self.source), None, self.source.splitlines(keepends=True), FILE)
        space: dict[str, object] = {"__name__": "generated", **NAMES}
        exec(compile(self.source, FILE, "exec"), space)
        made = cast(type[nn.Module], space["Net"])()
        return randomised(made.double().eval(), torch.Generator().manual_seed(seed))


def randomised(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """The module with every parameter and every floating buffer drawn again."""
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if not tensor.is_floating_point():
                continue
            if name.endswith(("running_var", "original0")):
                tensor.uniform_(0.5, 2.0, generator=generator)
            elif tensor.dim() == 1 and name.endswith("weight"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                fan = tensor[0].numel() if tensor.dim() > 1 else 4
                tensor.normal_(0.0, max(fan, 1) ** -0.5, generator=generator)
    return module


def images(shapes: tuple[Shape, ...], number: int, seed: int = 1) -> list[Tensor]:
    """Random inputs of a network."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(number, *shape, generator=generator, dtype=torch.float64) for shape in shapes]


def tensors_of(value: object) -> list[Tensor]:
    """The tensors of an answer, in order."""
    if isinstance(value, Tensor):
        return [value]
    assert isinstance(value, (tuple, list, Mapping))
    return [tensor for item in (value.values() if isinstance(value, Mapping) else value) for tensor in tensors_of(item)]
