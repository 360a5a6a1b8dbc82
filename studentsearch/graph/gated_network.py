"""A network together with its gates: what is alive for given gates, what that costs, and what each gate saves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from studentsearch.graph.dependencies import Mask
from studentsearch.graph.gates import GateSite, UngatedLayer, gate_sites, num_gates, scale_weights, ungated_layers
from studentsearch.graph.liveness import Liveness, liveness
from studentsearch.graph.macs import Counts, count_macs, macs_saved_by_gate
from studentsearch.graph.network import Network
from studentsearch.graph.outputs import toward_logits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GatedNetwork:
    """A traced network and the gates on its channels.

    Attributes:
        network: The trace.
        sites: Its gates, one site a reader, in topological order.
    """

    network: Network
    sites: tuple[GateSite, ...]

    @classmethod
    def of(cls, network: Network) -> GatedNetwork:
        """The network with all the gates that it can have."""
        return cls(network=network, sites=gate_sites(network))

    @property
    def num_gates(self) -> int:
        """G, the length of the vector of all gates."""
        return num_gates(self.sites)

    def liveness(self, is_open: Mask) -> Liveness:
        """What is alive when the gates in `is_open`, `[..., G]`, are open and all others closed."""
        return liveness(self.network, self.sites, is_open)

    def macs(self, is_open: Mask) -> Counts:
        """Multiply-accumulates `[...]` of what is alive for the gates `[..., G]`."""
        return count_macs(self.network, self.liveness(is_open))

    def macs_saved(self, is_open: Mask) -> Counts:
        """F_j `[G]`: what closing gate j alone saves in the state `is_open`, `[G]`."""
        return macs_saved_by_gate(self.network, self.sites, is_open)

    def scaled_weights(self, weights: Mapping[str, Tensor], gates: Tensor) -> dict[str, Tensor]:
        """The readers' weights, of `weights` by name, with the gates `[G]` multiplied in; differentiable in both."""
        return scale_weights(weights, self.sites, gates)

    def ungated_layers(self) -> tuple[UngatedLayer, ...]:
        """Layers without gates of their own, or that are never cut, and why."""
        return ungated_layers(self.network, self.sites)

    def toward_logits(self) -> GatedNetwork:
        """The same network and gates without the outputs beside the logits; itself where there are none."""
        alone = toward_logits(self.network)
        return self if alone is self.network else GatedNetwork(network=alone, sites=self.sites)
