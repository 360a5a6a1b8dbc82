"""The nets of each suite, and the images that they are tried with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torchvision
from timm_families import MOST_PARAMETERS, smallest_members
from torch import nn

_SMALL = (64, 96)
_PATCHED = (64,)
_FLOAT64 = frozenset({"resnet50", "densenet121", "mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A net of a suite.

    Attributes:
        suite: The library: `torchvision` or `timm`.
        name: Its name there.
        sizes: Heights (and widths) of the images, the first for everything, the second for one more comparison.
        options: What its constructor is given beside the name.
        is_exact: Whether it is compared in float64 as well.
    """

    suite: str
    name: str
    sizes: tuple[int, ...] = _SMALL
    options: Mapping[str, int | bool] = field(default_factory=dict)
    is_exact: bool = False

    def make(self) -> nn.Module:
        """The net with random weights."""
        if self.suite == "torchvision":
            made = torchvision.models.get_model(self.name, weights=None, **self.options)
        else:
            import timm

            options: dict[str, Any] = dict(self.options)
            made = timm.create_model(self.name, pretrained=False, **options)
        assert isinstance(made, nn.Module)
        return made


def entries(suite: str) -> tuple[Entry, ...]:
    """All nets of a suite, in the order of its table."""
    return _torchvision() if suite == "torchvision" else _timm()


def _torchvision() -> tuple[Entry, ...]:
    """Every classification constructor."""
    return tuple(
        Entry(
            suite="torchvision",
            name=name,
            sizes=_torchvision_sizes(name),
            options=_torchvision_options(name),
            is_exact=name in _FLOAT64,
        )
        for name in torchvision.models.list_models(module=torchvision.models)
    )


def _torchvision_sizes(name: str) -> tuple[int, ...]:
    if name == "inception_v3":
        return (107, 139)  # 75 is its smallest
    if name == "maxvit_t":
        return (224,)  # its windows of 7 divide no smaller one
    return _PATCHED if name.startswith("vit_") and name != "vit_h_14" else (56,) if name == "vit_h_14" else _SMALL


def _torchvision_options(name: str) -> dict[str, int | bool]:
    if name in {"googlenet", "inception_v3"}:
        return {"init_weights": False}
    return {"image_size": _torchvision_sizes(name)[0]} if name.startswith("vit_") else {}


_TIMM_MEMBERS = Path("build") / f"timm_{version('timm')}.json"


def _timm() -> tuple[Entry, ...]:
    """The smallest member of every family of at most 60M parameters, at its default size."""
    return tuple(
        Entry(suite="timm", name=member.name, sizes=(member.size, _smaller(member.size)))
        for member in smallest_members(_TIMM_MEMBERS)
        if member.parameters <= MOST_PARAMETERS
    )


def _smaller(size: int) -> int:
    """About two thirds of a size, a multiple of 32."""
    return 32 * round(size / 48)
