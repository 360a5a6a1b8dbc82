"""Weights brought back to the norm they had in the teacher, exactly.

Folding small gates shrinks weights, and behind BatchNorm a shrunk weight moves 1 / scale^2 faster at the same learning
rate. Where every use of a layer passes a BatchNorm first, its weights are scaled up again and the statistics along with
them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from studentsearch.graph.channels import norm_followed
from studentsearch.graph.dependencies import Indices
from studentsearch.graph.liveness import Liveness
from studentsearch.graph.network import Network, Node
from studentsearch.graph.operations.operation_record import Family
from studentsearch.graph.operations.table import is_of, is_reader, record_of, weight_axes_of


def restore_norms(
    network: Network, alive: Liveness, original: Mapping[str, Tensor], folded: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The same function with every BatchNorm-followed reader's kept weights at the norm they have in `original`.

    The running variance becomes c^2 (v + eps) - eps, so that (x c - m c) / sqrt(v' + eps) is exactly
    (x - m) / sqrt(v + eps). A layer for which that would be negative, or whose kept weights are all zero, keeps its
    scale.

    Args:
        network: The traced network.
        alive: What lives, unbatched masks.
        original: The teacher's state by name.
        folded: The gated network's state with gates multiplied in, same names and shapes.

    Returns:
        A new state, same names and shapes as `folded`.
    """
    restored = {name: tensor.clone() for name, tensor in folded.items()}
    factor_of = _factors(network, alive, original, folded)
    for index, factor in factor_of.items():
        for name in (f"{network.nodes[index].path}.weight", f"{network.nodes[index].path}.bias"):
            if name in restored:
                restored[name] *= factor
    carried = _carried_scales(network)
    for node in network.nodes:
        if _is_norm_of_channels(node) and f"{node.path}.running_var" in restored:
            producers = carried[node.inputs[0]]
            factors = torch.tensor([factor_of.get(int(index), 1.0) for index in producers], dtype=torch.float64)
            _scale_statistics(restored, node.path, factors, _epsilon(node.operation.arguments["eps"]))
    return restored


def _factors(
    network: Network, alive: Liveness, original: Mapping[str, Tensor], folded: Mapping[str, Tensor]
) -> dict[int, float]:
    """The factor of every reader that may be scaled, by node index."""
    smallest = _smallest_factors(network, folded)
    factors: dict[int, float] = {}
    for index in sorted(norm_followed(network)):
        node = network.nodes[index]
        kept = _kept_entries(node, alive)
        now = folded[f"{node.path}.weight"].double()[kept].norm().item()
        before = original[f"{node.path}.weight"].double()[kept].norm().item()
        if now > 0 and before / now > smallest.get(index, 0.0):
            factors[index] = before / now
    return factors


def _kept_entries(node: Node, alive: Liveness) -> tuple[Tensor, Tensor]:
    """Indices of a reader's weight entries that live, on its first two axes."""
    axes = (alive.needed[node.index], alive.reads[node.index])
    first, second = axes if weight_axes_of(node).outputs == 0 else axes[::-1]
    rows, columns = np.ix_(np.flatnonzero(first), np.flatnonzero(second))
    return torch.from_numpy(rows), torch.from_numpy(columns)


def _smallest_factors(network: Network, folded: Mapping[str, Tensor]) -> dict[int, float]:
    """For every producer the factor under which some running variance would turn negative: sqrt(eps / (v + eps))."""
    carried = _carried_scales(network)
    smallest: dict[int, float] = {}
    for node in network.nodes:
        if _is_norm_of_channels(node) and f"{node.path}.running_var" in folded:
            epsilon = _epsilon(node.operation.arguments["eps"])
            limits = (epsilon / (folded[f"{node.path}.running_var"].double() + epsilon)).sqrt()
            for producer, limit in zip(carried[node.inputs[0]].tolist(), limits.tolist(), strict=True):
                smallest[producer] = max(smallest.get(producer, 0.0), limit)
    return smallest


def _carried_scales(network: Network) -> list[Indices]:
    """For every node `[C]`, the reader whose scale a channel still carries; 0, the image, where a norm took it."""
    carried: list[Indices] = []
    for node in network.nodes:
        record = record_of(node.operation)
        if is_reader(node):
            carried.append(np.full(node.num_channels, node.index))
        elif record is not None and record.is_homogeneous and node.coupled is None:
            own = np.zeros(node.num_channels, dtype=np.int64)
            for source, dependency in zip(node.inputs, node.dependencies, strict=True):
                own = np.maximum(own, dependency.labels(carried[source]))
            carried.append(own)
        else:
            carried.append(np.zeros(node.num_channels, dtype=np.int64))
    return carried


def _is_norm_of_channels(node: Node) -> bool:
    """Whether a node is a BatchNorm whose statistics are those of channels, not of rows that are as many."""
    return is_of(node.operation, Family.BATCH_NORM) and not node.keeps_all


def _scale_statistics(state: dict[str, Tensor], path: str, factors: Tensor, epsilon: float) -> None:
    mean, variance = state[f"{path}.running_mean"], state[f"{path}.running_var"]
    state[f"{path}.running_mean"] = (mean.double() * factors).to(mean.dtype)
    state[f"{path}.running_var"] = (factors**2 * (variance.double() + epsilon) - epsilon).to(variance.dtype)


def _epsilon(value: object) -> float:
    assert isinstance(value, float)
    return value
