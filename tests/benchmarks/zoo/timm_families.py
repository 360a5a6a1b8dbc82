"""One member of every family of timm, derived from its registry: the smallest, where it has at most 60M parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import timm
import torch

from studentsearch.runs.files import write_json

MOST_PARAMETERS = 60_000_000
_STEM = re.compile(r"[a-z]+(?:(?<=v)\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A net of timm.

    Attributes:
        family: Its module in timm and how its name begins: `byobnet.gernet`.
        name: Its name in the registry.
        parameters: How many it has.
        size: Height and width of the images that it is made for.
    """

    family: str
    name: str
    parameters: int
    size: int


def family_of(module: str, name: str) -> str:
    """The family of a net: its module in timm and its name up to the first underscore or size."""
    found = _STEM.match(name)
    return f"{module}.{found[0] if found else name}"


def smallest_members(cache: Path) -> tuple[Member, ...]:
    """The smallest member of every family, families in alphabetical order.

    Args:
        cache: JSON of this version of timm; it is written where it is not there yet, which takes minutes, since every
            net of the registry is built (without memory for its weights).

    Returns:
        Also families whose smallest member is above the limit.
    """
    if not cache.is_file():
        write_json(cache, [asdict(member) for member in _smallest(tuple(_members()))])
    return tuple(Member(**member) for member in json.loads(cache.read_text(encoding="utf-8")))


def _members() -> Iterator[Member]:
    """Every net of the registry but those that timm keeps for its own tests."""
    for module in sorted(timm.list_modules()):
        for name in timm.list_models(module=module):
            if name.startswith("test_"):
                continue
            with torch.device("meta"):
                net = timm.create_model(name, pretrained=False)
            configuration = cast(Mapping[str, tuple[int, ...]], net.default_cfg)
            yield Member(
                family=family_of(module, name),
                name=name,
                parameters=sum(parameter.numel() for parameter in net.parameters()),
                size=configuration["input_size"][-1],
            )


def _smallest(members: Sequence[Member]) -> list[Member]:
    chosen: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: (member.family, member.parameters, member.name)):
        chosen.setdefault(member.family, member)
    return list(chosen.values())
