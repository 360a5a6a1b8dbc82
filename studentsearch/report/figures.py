"""What was kept as figures by name: columns of the CSV files and entries of the JSON alike."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from studentsearch.decoding import JsonValue
from studentsearch.records.blocks import BlockShare
from studentsearch.records.shares import ReaderShare, SumShare

Kept = TypeVar("Kept", BlockShare, ReaderShare, SumShare)
Figures = dict[str, JsonValue]

BLOCK: Mapping[str, Callable[[BlockShare], JsonValue]] = {
    "inputs": lambda block: block.inputs,
    "kept_inputs": lambda block: block.num_kept_inputs,
    "drop_ratio": lambda block: block.drop_ratio,
    "connections_drop_ratio": lambda block: block.connections_drop_ratio,
    "channels_drop_ratio": lambda block: block.channels_drop_ratio,
    "macs_before": lambda block: block.macs_before,
    "macs_after": lambda block: block.macs_after,
}
LAYER: Mapping[str, Callable[[ReaderShare], JsonValue]] = {
    "path": lambda layer: layer.path,
    "state": lambda layer: layer.state,
    "groups": lambda layer: layer.groups,
    "inputs": lambda layer: layer.inputs,
    "kept_inputs": lambda layer: layer.num_kept_inputs,
    "outputs": lambda layer: layer.outputs,
    "kept_outputs": lambda layer: layer.num_kept_outputs,
    "drop_ratio": lambda layer: layer.drop_ratio,
    "macs_before": lambda layer: layer.macs_before,
    "macs_after": lambda layer: layer.macs_after,
}
SUM: Mapping[str, Callable[[SumShare], JsonValue]] = {
    "after": lambda added: added.after,
    "channels": lambda added: added.channels,
    "kept": lambda added: added.kept,
    "drop_ratio": lambda added: added.drop_ratio,
}


def figures(table: Mapping[str, Callable[[Kept], JsonValue]], kept: Kept) -> Figures:
    """The figures of one block, layer or sum.

    Args:
        table: `BLOCK`, `LAYER` or `SUM`.
        kept: What was kept of it.

    Returns:
        Name to figure; drop ratios are shares from 0 to 1, None where there is none.
    """
    return {name: figure(kept) for name, figure in table.items()}
