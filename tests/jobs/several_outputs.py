"""Networks that return the same two heads in every structure, found by name as `python:several_outputs:FUNCTION`."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Answers(NamedTuple):
    aux: Tensor
    logits: Tensor


@dataclass
class Prediction:
    hidden: Any
    logits: Tensor
    loss: Tensor | None = None


@dataclass
class ModelOutput(OrderedDict[str, Any]):
    """As in transformers: a dictionary of the fields that are there, which are attributes as well."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden: Any = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) is not None:
                self[field.name] = getattr(self, field.name)


@dataclass
class Parts:
    """What a forward pass computed, for the structure that returns it."""

    out: Tensor
    aux: Tensor
    features: Tensor
    trunk: Tensor
    dense: Tensor
    is_training: bool


Heads = Callable[[Parts], object]


class TwoHeads(nn.Module):
    """A trunk of two convolutions, the head behind both, and an auxiliary head behind the first."""

    def __init__(self, num_classes: int, in_channels: int, heads: Heads) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 12, 3, padding=1, stride=2)
        self.head = nn.Linear(12, num_classes)
        self.aux_conv = nn.Conv2d(8, 6, 1)
        self.aux = nn.Linear(6, num_classes)
        self.dense = nn.Conv2d(8, num_classes, 1)
        self.heads = heads

    def forward(self, x: Tensor) -> object:
        trunk = F.relu(self.norm(self.stem(x)))
        aux = self.aux(F.relu(self.aux_conv(trunk)).mean((2, 3)))
        features = F.relu(self.conv(trunk)).mean((2, 3))
        parts = Parts(self.head(features), aux, features, trunk, self.dense(trunk), self.training)
        return self.heads(parts)


class TwoImages(TwoHeads):
    def forward(self, x: Tensor, y: Tensor) -> object:  # type: ignore[override]
        return super().forward(x * y)


def _made(heads: Heads, make: type[TwoHeads] = TwoHeads) -> Callable[[int, int], nn.Module]:
    def build(num_classes: int, in_channels: int) -> nn.Module:
        torch.manual_seed(0)
        return make(num_classes, in_channels, heads)

    return build


alone = _made(lambda it: it.out)
dictionary = _made(lambda it: {"aux": it.aux, "out": it.out})
pair = _made(lambda it: (it.features, it.out, it.aux))
nested = _made(lambda it: {"heads": {"aux": it.aux, "cls": it.out}, "maps": [it.features, it.trunk]})
named = _made(lambda it: Answers(aux=it.aux, logits=it.out))
dataclass_of_two = _made(lambda it: Prediction(hidden=(it.aux, it.features), logits=it.out))
model_output = _made(lambda it: ModelOutput(logits=it.out, hidden=(it.aux, it.features)))
extras_first = _made(lambda it: (it.aux, it.out) if it.is_training else it.out)
extras_named = _made(lambda it: Answers(aux=it.aux, logits=it.out) if it.is_training else it.out)
segmentation = _made(lambda it: {"out": it.dense, "aux": it.aux})
map_alone = _made(lambda it: it.dense)
wide = _made(lambda it: (it.features, it.trunk))
two_images = _made(lambda it: {"out": it.out, "aux": it.aux}, TwoImages)
