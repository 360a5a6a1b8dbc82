"""The outputs of a traced network, and which of them is trained and evaluated."""

from __future__ import annotations

from dataclasses import replace

import torch

from studentsearch.errors import InputFileError
from studentsearch.graph.arguments import INPUT, decode
from studentsearch.graph.network import Network, Operation
from studentsearch.outputs import Output, OutputPath, choose_logits, named_output, outputs_of, usual_logits


def network_outputs(network: Network) -> tuple[Output, ...]:
    """What a traced network returns.

    Args:
        network: The network.

    Returns:
        One entry an output, its tensor without values, `[1, ...]`.
    """
    end = network.nodes[-1]
    return _outputs(end.operation, [node.shape for node in network.sources_of(end)])


def logits_path(output: Operation, num_outputs: int) -> OutputPath:
    """Where the logits stand in what a network or a student returns.

    Args:
        output: Its operation `Output`.
        num_outputs: How many tensors it reads.

    Returns:
        The place.

    Raises:
        InputFileError: A student's config.json names an output that there is not.
    """
    places = [found.path for found in _outputs(output, [()] * num_outputs)]
    if not 0 <= output.logits < len(places):
        raise InputFileError(
            f"found output {output.logits} as the logits; expected one of {len(places)}; export the student again"
        )
    return places[output.logits]


def network_logits_path(network: Network) -> OutputPath:
    """Where the logits stand in what a traced network returns."""
    end = network.nodes[-1]
    return logits_path(end.operation, len(end.inputs))


def output_names(output: Operation, num_outputs: int) -> tuple[str, ...]:
    """The names of what a network or a student returns, for other formats.

    Args:
        output: Its operation `Output`.
        num_outputs: How many tensors it reads.

    Returns:
        Keys as they are; `output_0` and so on for what has a position only; `logits` for a tensor returned alone.
    """
    places = [found.path for found in _outputs(output, [()] * num_outputs)]
    return tuple(f"output_{place}" if isinstance((*place.keys, "")[0], int) else str(place) for place in places)


def name_logits(network: Network, wanted: str | None, *, num_classes: int, source: str) -> Network:
    """The network with the output chosen that is trained and evaluated.

    Args:
        network: A traced network.
        wanted: Name of an output, or its position among all of them; None means the usual one.
        num_classes: Classes of the data.
        source: The network's name, for the message.

    Returns:
        The same nodes; `Network.logits` is the chosen output.
    """
    number = choose_logits(network_outputs(network), wanted, num_classes=num_classes, source=source)
    return with_logits(network, number)


def name_any_output(network: Network, wanted: str | None, *, source: str) -> Network:
    """The network with any of its outputs as the logits, whatever its shape; for counting.

    Args:
        network: A traced network.
        wanted: Name of an output, or its position among all of them; None means the usual one.
        source: The network's name, for the message.

    Returns:
        The same nodes; `Network.logits` is the chosen output.
    """
    outputs = network_outputs(network)
    return with_logits(
        network, usual_logits(outputs, None) if wanted is None else named_output(outputs, wanted, source)
    )


def with_logits(network: Network, number: int) -> Network:
    """The network with one of its outputs as the logits.

    Args:
        network: A traced network.
        number: Position among all outputs.

    Returns:
        The same nodes; `Network.logits` is that output.
    """
    end = network.nodes[-1]
    arguments = {name: value for name, value in end.operation.arguments.items() if name != "logits"}
    if number:
        arguments["logits"] = number
    return Network(nodes=(*network.nodes[:-1], replace(end, operation=Operation(kind="Output", arguments=arguments))))


def toward_logits(network: Network) -> Network:
    """The same nodes with the same indices, of whose outputs the logits alone are returned.

    Args:
        network: A traced network.

    Returns:
        A network in which what only other outputs read leads nowhere; the network itself where it has one output.
    """
    end = network.nodes[-1]
    if len(end.inputs) == 1:
        return network
    number = end.operation.logits
    alone = replace(
        end,
        operation=Operation(kind="Output"),
        inputs=(end.inputs[number],),
        dependencies=(end.dependencies[number],),
    )
    return Network(nodes=(*network.nodes[:-1], alone))


def _outputs(output: Operation, shapes: list[tuple[int, ...]]) -> tuple[Output, ...]:
    tensors = [torch.empty((1, *shape), device="meta") for shape in shapes]
    return outputs_of(decode(output.arguments.get("structure", (INPUT, 0)), tensors, None))
