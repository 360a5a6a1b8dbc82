"""What this package asks of a library of networks: names, networks, weights, and the inputs that those expect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from studentsearch.records.normalization import Normalization

if TYPE_CHECKING:
    from torch import nn

DEFAULT_WEIGHTS = "DEFAULT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a network must fit.

    Attributes:
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.
        image_size: Shorter side of the image in pixels, >= 1.
    """

    num_classes: int
    in_channels: int
    image_size: int


class Library(Protocol):
    """Networks that another package builds by name; names come without the library's prefix."""

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""

    def build(self, name: str, sizes: Sizes) -> nn.Module:
        """A network with fresh weights.

        Args:
            name: One of `names()`.
            sizes: What it must fit.
        """

    def usual_sizes(self, name: str) -> Sizes:
        """What the network was published for."""

    def statistics(self, name: str, weights: str) -> Normalization:
        """How inputs of published weights are normalised.

        Args:
            name: One of `names()`.
            weights: A name of weights, or `DEFAULT_WEIGHTS`.
        """

    def weights_file(self, name: str, weights: str, *, download: bool) -> Path:
        """The file of published weights, in the library's own cache.

        Args:
            name: One of `names()`.
            weights: A name of weights, or `DEFAULT_WEIGHTS`.
            download: Whether the network may be used.
        """
