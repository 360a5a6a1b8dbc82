"""From a torch module to a `Network`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from studentsearch.graph.network import Network
from studentsearch.graph.recording.conversion import Conversion
from studentsearch.graph.recording.record import record


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A module as its network.

    Attributes:
        network: What it computes.
        state: Its parameters and buffers under the names that the network's layers give them.
    """

    network: Network
    state: Mapping[str, Tensor]


def trace(module: nn.Module, *input_shapes: tuple[int, ...], skip: Sequence[str] = ()) -> Network:
    """The network that `module` computes for images of one shape.

    Args:
        module: Any module that torch.fx can follow; it is not changed.
        input_shapes: `[C, H, W]` of one image, one shape an input.
        skip: Patterns (`layer4.*`) of module paths whose parts keep all channels.

    Returns:
        Its nodes in topological order.

    Raises:
        UnsupportedGraphError: Control flow that depends on values, or an operation without a rule.
    """
    return trace_with_state(module, *input_shapes, skip=skip).network


def trace_with_state(module: nn.Module, *input_shapes: tuple[int, ...], skip: Sequence[str] = ()) -> Traced:
    """The network that `module` computes, with its weights.

    Args:
        module: Any module that torch.fx can follow; it is not changed.
        input_shapes: `[C, H, W]` of one image, one shape an input.
        skip: Patterns of module paths whose parts keep all channels.

    Returns:
        Network and weights.

    Raises:
        UnsupportedGraphError: Control flow that depends on values, or an operation without a rule.
    """
    tracer = Conversion(record(module, *input_shapes), tuple(skip))
    tracer.convert()
    return Traced(network=Network(nodes=tracer.nodes), state=tracer.state)
